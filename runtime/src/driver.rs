//! The brain, and who runs it: whoever has an event for it.
//!
//! An event is put into the queue, then its bringer *pumps*: if the brain is free, it takes the queue, runs turns and
//! carries out the effects itself; if it is not, it goes on, for whoever holds the brain looks into the queue again
//! after letting go. So a produce crosses threads twice: from its connection to the log thread and back.
//!
//! And when the log write is the only thing a turn asks for, and the connection is the only one on its thread, nobody else is
//! waiting for this thread: the connection then carries it out itself, and its produce crosses no thread at all.
//!
//! No event is left lying. Bringer B: locks the queue and adds, then tries the brain. Holder H: lets go of the brain, then
//! locks the queue and looks. The queue is a lock, so one of the two came first: (1) B added before H looked: H sees the
//! event and pumps again, or wakes the driver task to do so. (2) H looked before B added: then H had let go of the brain
//! before B tried it, so it was not H that B failed on, but a later holder, who looks later; the last one is in case (1).

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, TryLockError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use evenkeel_core::{
    Broker, ClientEvent, Config, Effect, Event, Notice, Now,
    port::{DiskRequest, DiskResult, Fault, Lane, Level, ObjectRequest, ObjectResult, Response},
    units::{ConnId, Instant, Lsn, OpId, Tag, Timestamp},
};
use tokio::sync::{Notify, mpsc};

use crate::{bug::AbortOnPanic, couriers::Couriers, lanes::Lanes, signal::Signal};

/// Turns in a row that a bringer runs before it leaves the rest to the driver task.
const ROUNDS: usize = 8;
/// No timer is set.
const NEVER: u64 = u64::MAX;

/// Something for a connection.
#[derive(Debug)]
pub enum Mail {
    /// The answer to a request.
    Reply(Tag, Box<Response>),
    /// Close without an answer.
    Close,
}

/// Where the broker stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Recovering.
    Starting,
    /// Clients are welcome.
    Serving,
    /// Stopped in order.
    Stopped {
        /// Whether something is not in the object store.
        unstored: bool,
    },
    /// Ended itself, or refused to start.
    Halted(Fault),
}

/// What there is to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Everything in the log below is durable; `None`: it is being recovered.
    pub durable: Option<Lsn>,
    /// Of the object store; `None`: there is none, or the log is being recovered.
    pub store: Option<StoreFigures>,
    /// Connections of clients.
    pub connections: usize,
}

/// What there is to measure of the object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreFigures {
    /// How old the oldest change is that a loss of the disk would take away.
    pub recovery_point: Duration,
    /// Bytes of records that are in the log only.
    pub unflushed_bytes: u64,
    /// Writes are refused, for what is not stored is too old or too much.
    pub refuses: bool,
    /// Everything in the log below is stored; `None`: the store has not answered yet.
    pub stored: Option<Lsn>,
}

struct Brain {
    broker: Broker,
    events: Vec<Event>,
    effects: Vec<Effect>,
}

/// The broker and everything around it that more than one thread touches.
pub struct Driver {
    brain: Mutex<Brain>,
    queue: Mutex<Vec<Event>>,
    lanes: Box<dyn Lanes>,
    couriers: Option<Box<dyn Couriers>>,
    connections: Mutex<BTreeMap<ConnId, mpsc::UnboundedSender<Mail>>>,
    next_connection: AtomicU64,
    phase: Signal<Phase>,
    wake: Notify,
    /// When the driver task will wake by itself, in microseconds since `origin`.
    armed: AtomicU64,
    origin: tokio::time::Instant,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("a panic with a lock held aborts the process")
}

impl Driver {
    /// Boots the broker and starts the driver task. Must be called within a tokio runtime. There are `couriers` if the configuration
    /// has an object store.
    #[must_use]
    pub fn start(
        config: Config,
        seed: u64,
        lanes: Box<dyn Lanes>,
        couriers: Option<Box<dyn Couriers>>,
    ) -> Arc<Driver> {
        assert_eq!(config.store.is_some(), couriers.is_some(), "a store, and who goes there");
        let mut effects = Vec::new();
        let broker = Broker::boot(config, seed, &mut effects);
        let driver = Arc::new(Driver {
            brain: Mutex::new(Brain { broker, events: Vec::new(), effects: Vec::new() }),
            queue: Mutex::new(Vec::new()),
            lanes,
            couriers,
            connections: Mutex::new(BTreeMap::new()),
            next_connection: AtomicU64::new(0),
            phase: Signal::new(Phase::Starting),
            wake: Notify::new(),
            armed: AtomicU64::new(NEVER),
            origin: tokio::time::Instant::now(),
        });
        driver.carry_out(&mut effects);
        tokio::spawn(keep_time(Arc::clone(&driver)));
        driver
    }

    /// Where the broker stands, and a way to wait for it to move.
    #[must_use]
    pub fn phase(&self) -> &Signal<Phase> {
        &self.phase
    }

    /// What there is to measure now.
    pub fn figures(self: &Arc<Self>) -> Figures {
        let now = self.now().mono;
        let figures = {
            let broker = &locked(&self.brain).broker;
            let store = broker.recovery_point(now).zip(broker.unstored());
            Figures {
                durable: broker.durable(),
                store: store.map(|(recovery_point, (unflushed_bytes, refuses))| StoreFigures {
                    recovery_point,
                    unflushed_bytes,
                    refuses,
                    stored: broker.stored(),
                }),
                connections: locked(&self.connections).len(),
            }
        };
        // Whoever found the brain taken meanwhile has left its event.
        self.pump(ROUNDS, false);
        figures
    }

    /// Asks for an orderly stop.
    pub fn stop(self: &Arc<Self>) {
        self.bring(Event::Stop, false);
    }

    /// A new connection from that address: its id, and what comes for it.
    pub fn connect(self: &Arc<Self>, address: IpAddr) -> (ConnId, mpsc::UnboundedReceiver<Mail>) {
        let id = ConnId(self.next_connection.fetch_add(1, Ordering::Relaxed));
        let (sender, receiver) = mpsc::unbounded_channel();
        locked(&self.connections).insert(id, sender);
        let address = match address {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits(),
        };
        self.bring(Event::Client(id, ClientEvent::Opened { address }), false);
        (id, receiver)
    }

    /// The connection is gone.
    pub fn disconnect(self: &Arc<Self>, id: ConnId) {
        locked(&self.connections).remove(&id);
        self.bring(Event::Client(id, ClientEvent::Closed), false);
    }

    /// As [`Driver::disconnect`], from a task that panics: the driver task does the rest, since nothing that runs the brain
    /// may unwind.
    pub fn lost(&self, id: ConnId) {
        locked(&self.connections).remove(&id);
        locked(&self.queue).push(Event::Client(id, ClientEvent::Closed));
        self.wake.notify_one();
    }

    /// Brings an event, and runs the brain if it is free. Writes to the log before it returns, if it `may_write` and that is
    /// all there is to do: only if nobody else waits for this thread.
    pub fn bring(self: &Arc<Self>, event: Event, may_write: bool) {
        locked(&self.queue).push(event);
        while let Some((op, request)) = self.pump(ROUNDS, may_write) {
            match self.lanes.perform_here(request) {
                Ok(result) => locked(&self.queue).push(Event::Disk(op, result)),
                Err(request) => return self.submit(op, request),
            }
        }
    }

    fn now(&self) -> Now {
        let mono = self.origin.elapsed().as_micros();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis();
        Now {
            mono: Instant(u64::try_from(mono).expect("half a million years")),
            wall: Timestamp(i64::try_from(wall).expect("a quarter of a billion years")),
        }
    }

    /// Runs turns as long as there are events, if nobody else does. A log write that is all the first turn asks for is
    /// handed back if `may_write`: a later one would keep those waiting whom a turn before it has woken on this thread.
    fn pump(self: &Arc<Self>, rounds: usize, may_write: bool) -> Option<(OpId, DiskRequest)> {
        for round in 0..rounds {
            let alone = match self.brain.try_lock() {
                Ok(brain) => self.round(brain, false, may_write && round == 0),
                Err(TryLockError::WouldBlock) => return None,
                Err(TryLockError::Poisoned(_)) => unreachable!("a panic of the brain aborts the process"),
            };
            let more = !locked(&self.queue).is_empty();
            if let Some((op, request)) = alone {
                if !more {
                    return Some((op, request));
                }
                self.submit(op, request);
            } else if !more {
                return None;
            }
        }
        self.wake.notify_one();
        None
    }

    /// The deadline has come. Waits for the brain: a turn is short, and a timer must not be missed.
    fn run_timers(self: &Arc<Self>) {
        let brain = locked(&self.brain);
        self.armed.store(NEVER, Ordering::Release);
        self.round(brain, true, false);
        self.pump(ROUNDS, false);
    }

    /// One turn with everything that is in the queue. `armed` is changed only here, by the holder of the brain.
    fn round(
        self: &Arc<Self>,
        mut brain: MutexGuard<'_, Brain>,
        timers: bool,
        may_write: bool,
    ) -> Option<(OpId, DiskRequest)> {
        let Brain { broker, events, effects } = &mut *brain;
        std::mem::swap(events, &mut *locked(&self.queue));
        if events.is_empty() && !timers {
            return None;
        }
        let guard = AbortOnPanic;
        let deadline = broker.turn(self.now(), events, effects);
        let alone = match effects.last() {
            Some(Effect::Disk(_, request)) => may_write && effects.len() == 1 && request.lane == Lane::Log,
            Some(
                Effect::Reply(..)
                | Effect::Close(_)
                | Effect::Notice(_)
                | Effect::Serve
                | Effect::Object(..)
                | Effect::Stopped { .. }
                | Effect::Halt(_),
            )
            | None => false,
        };
        let write = match if alone { effects.pop() } else { None } {
            Some(Effect::Disk(op, request)) => Some((op, request)),
            Some(_) | None => None,
        };
        self.carry_out(effects);
        drop(guard);
        self.arm(deadline);
        write
    }

    fn arm(&self, deadline: Option<Instant>) {
        let wanted = deadline.map_or(NEVER, |at| at.0);
        // Only an earlier deadline needs the driver task now; for a later one it wakes once in vain.
        if wanted < self.armed.load(Ordering::Acquire) {
            self.armed.store(wanted, Ordering::Release);
            self.wake.notify_one();
        } else if wanted == NEVER {
            self.armed.store(NEVER, Ordering::Release);
        }
    }

    fn carry_out(self: &Arc<Self>, effects: &mut Vec<Effect>) {
        for effect in effects.drain(..) {
            match effect {
                Effect::Reply(conn, tag, response) => self.post(conn, Mail::Reply(tag, response)),
                Effect::Close(conn) => self.post(conn, Mail::Close),
                Effect::Disk(op, request) => self.submit(op, request),
                Effect::Notice(notice) => tell(&notice),
                Effect::Serve => self.move_to(Phase::Serving),
                Effect::Object(op, request) => self.send_out(op, *request),
                Effect::Stopped { unstored } => self.move_to(Phase::Stopped { unstored }),
                Effect::Halt(fault) => {
                    self.lanes.close();
                    if let Some(couriers) = &self.couriers {
                        couriers.close();
                    }
                    self.move_to(Phase::Halted(fault));
                }
            }
        }
    }

    fn submit(self: &Arc<Self>, op: OpId, request: DiskRequest) {
        let driver = Arc::clone(self);
        self.lanes.submit(request, Box::new(move |result| driver.disk_done(op, result)));
    }

    fn send_out(self: &Arc<Self>, op: OpId, request: ObjectRequest) {
        let couriers = self.couriers.as_ref().expect("a broker without a store asks nothing of it");
        let driver = Arc::clone(self);
        couriers.submit(request, Box::new(move |result| driver.object_done(op, result)));
    }

    fn object_done(self: &Arc<Self>, op: OpId, result: ObjectResult) {
        locked(&self.queue).push(Event::Object(op, result));
        self.pump(ROUNDS, false);
    }

    fn disk_done(self: &Arc<Self>, op: OpId, result: DiskResult) {
        locked(&self.queue).push(Event::Disk(op, result));
        // One round only: the log thread has a disk to write to.
        self.pump(1, false);
    }

    fn post(&self, conn: ConnId, mail: Mail) {
        if let Some(mailbox) = locked(&self.connections).get(&conn) {
            // A connection that is about to end does not read its mail any more.
            let _ = mailbox.send(mail);
        }
    }

    fn move_to(&self, phase: Phase) {
        self.phase.set(phase);
    }
}

/// The driver task: runs the brain when its deadline has come, or when there is more to do than a bringer should.
async fn keep_time(driver: Arc<Driver>) {
    loop {
        let armed = driver.armed.load(Ordering::Acquire);
        let until = async {
            if armed == NEVER {
                std::future::pending::<()>().await;
            } else {
                tokio::time::sleep_until(driver.origin + Duration::from_micros(armed)).await;
            }
        };
        tokio::select! {
            biased;
            _ = driver.phase.wait_for(|phase| matches!(phase, Phase::Stopped { .. } | Phase::Halted(_))) => return,
            () = driver.wake.notified() => { driver.pump(ROUNDS, false); }
            () = until => driver.run_timers(),
        }
    }
}

fn tell(notice: &Notice) {
    match notice.level {
        Level::Info => tracing::info!("{notice}"),
        Level::Warn => tracing::warn!("{notice}"),
        Level::Error => tracing::error!("{notice}"),
    }
}

#[cfg(test)]
mod tests;
