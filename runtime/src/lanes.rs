//! Who carries out disk work: threads in production, tasks in a simulation.

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

use evenkeel_core::port::{Disk, DiskRequest, DiskResult, Lane, perform};

use crate::bug::AbortOnPanic;

/// Called once with the result, on whatever thread did the work.
pub type Done = Box<dyn FnOnce(DiskResult) + Send>;

/// Carries out disk work. Requests of one lane begin in order; each calls its `Done` exactly once, until the lanes close.
pub trait Lanes: Send + Sync {
    /// Takes a request.
    fn submit(&self, request: DiskRequest, done: Done);

    /// Carries out a request on this thread, or gives it back if that is not possible here. Only for the log, of which
    /// one write is under way at a time, so that the log thread has nothing to do meanwhile.
    ///
    /// # Errors
    /// The request, not begun.
    fn perform_here(&self, request: DiskRequest) -> Result<DiskResult, DiskRequest> {
        Err(request)
    }

    /// The broker halts: no request that has not begun begins any more.
    fn close(&self);
}

type Job = (DiskRequest, Done);

/// One thread for the log, one for what goes on in the background, a few for reads. They end when this is dropped.
pub struct Threads {
    log: Sender<Job>,
    background: Sender<Job>,
    read: Sender<Job>,
    disk: Arc<dyn Disk>,
    closed: Arc<AtomicBool>,
}

const READERS: usize = 3;

impl Threads {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(disk: &Arc<dyn Disk>) -> io::Result<Threads> {
        let closed = Arc::new(AtomicBool::new(false));
        Ok(Threads {
            log: lane("log", 1, disk, &closed)?,
            background: lane("background", 1, disk, &closed)?,
            read: lane("read", READERS, disk, &closed)?,
            disk: Arc::clone(disk),
            closed,
        })
    }
}

fn lane(
    name: &str,
    threads: usize,
    disk: &Arc<dyn Disk>,
    closed: &Arc<AtomicBool>,
) -> io::Result<Sender<Job>> {
    let (sender, receiver) = channel::<Job>();
    let receiver = Arc::new(Mutex::new(receiver));
    for _ in 0..threads {
        let (receiver, disk, closed) = (Arc::clone(&receiver), Arc::clone(disk), Arc::clone(closed));
        thread::Builder::new()
            .name(format!("disk-{name}"))
            .spawn(move || work(&receiver, &*disk, &closed))?;
    }
    Ok(sender)
}

fn work(jobs: &Mutex<Receiver<Job>>, disk: &dyn Disk, closed: &AtomicBool) {
    // The brain waits for every completion: without this thread it would wait for ever.
    let _abort = AbortOnPanic;
    loop {
        let job = jobs.lock().expect("nobody panics while waiting for work").recv();
        let Ok((request, done)) = job else { return };
        if closed.load(Ordering::Acquire) {
            continue;
        }
        done(perform(disk, &request.steps));
    }
}

impl Lanes for Threads {
    fn submit(&self, request: DiskRequest, done: Done) {
        let lane = match request.lane {
            Lane::Log => &self.log,
            Lane::Background => &self.background,
            Lane::Read => &self.read,
        };
        lane.send((request, done)).expect("the threads live as long as the lanes");
    }

    fn perform_here(&self, request: DiskRequest) -> Result<DiskResult, DiskRequest> {
        // A task's panic would be caught by its executor, and the brain would wait for this for ever.
        let _abort = AbortOnPanic;
        Ok(perform(&*self.disk, &request.steps))
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

/// One task a lane, each step after a delay. For simulations, where there are no threads.
#[derive(Debug)]
pub struct Tasks {
    lanes: [tokio::sync::mpsc::UnboundedSender<Job>; 3],
    closed: Arc<AtomicBool>,
}

impl Tasks {
    /// Starts the tasks. Must be called within a tokio runtime.
    #[must_use]
    pub fn start(disk: &Arc<dyn Disk>, delay: Duration) -> Tasks {
        let closed = Arc::new(AtomicBool::new(false));
        Tasks {
            lanes: [(); 3].map(|()| {
                let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel::<Job>();
                let (disk, closed) = (Arc::clone(disk), Arc::clone(&closed));
                tokio::spawn(async move {
                    while let Some((request, done)) = receiver.recv().await {
                        tokio::time::sleep(delay).await;
                        if closed.load(Ordering::Acquire) {
                            continue;
                        }
                        done(perform(&*disk, &request.steps));
                    }
                });
                sender
            }),
            closed,
        }
    }
}

impl Lanes for Tasks {
    fn submit(&self, request: DiskRequest, done: Done) {
        let lane = match request.lane {
            Lane::Log => 0,
            Lane::Background => 1,
            Lane::Read => 2,
        };
        // A simulated node that was killed has no tasks any more; nobody waits for its work either.
        let _ = self.lanes[lane].send((request, done));
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
