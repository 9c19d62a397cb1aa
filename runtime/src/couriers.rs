//! Who carries out requests to the object store: threads in production, tasks in a simulation.

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

use evenkeel_core::{
    port::{ObjectRequest, ObjectResult, ObjectStore},
    store::perform,
};

use crate::{
    bug::AbortOnPanic,
    object::cache::{AHEAD_AT_ONCE, Cache, Get},
};

/// Called once with the result, on whatever thread did the work.
pub type Done = Box<dyn FnOnce(ObjectResult) + Send>;

/// Carries out requests, several at once and in no order. Each calls its `Done` exactly once, until the couriers close.
pub trait Couriers: Send + Sync {
    /// Takes a request.
    fn submit(&self, request: ObjectRequest, done: Done);

    /// The broker halts: no request that has not begun begins any more.
    fn close(&self);
}

type Job = (ObjectRequest, Done);

/// A cut does not wait for consumers that read from far behind, nor they for it.
#[derive(Clone, Copy)]
enum Way {
    Cuts,
    Consumers,
}

fn way(request: &ObjectRequest) -> Way {
    match request {
        ObjectRequest::NewestManifest
        | ObjectRequest::Read { .. }
        | ObjectRequest::Create { .. }
        | ObjectRequest::List { .. }
        | ObjectRequest::Remove { .. }
        | ObjectRequest::ReadObject(_) => Way::Cuts,
        ObjectRequest::ReadBatches(_) => Way::Consumers,
    }
}

/// Requests under way at once, each way.
const AT_ONCE: usize = 3;

/// A few threads each way, and a few that read ahead for consumers. They end when this is dropped.
pub struct Threads {
    cuts: Sender<Job>,
    consumers: Sender<Job>,
    closed: Arc<AtomicBool>,
}

impl Threads {
    /// Starts the threads. Of what is read for consumers `cache_bytes` are kept; none if that is 0.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(store: &Arc<dyn ObjectStore>, cache_bytes: u64) -> io::Result<Threads> {
        let closed = Arc::new(AtomicBool::new(false));
        let direct = {
            let store = Arc::clone(store);
            move |request: &ObjectRequest| perform(&*store, request)
        };
        let cuts = jobs("cuts", &direct, &closed)?;
        let consumers = if cache_bytes == 0 {
            jobs("consumers", &direct, &closed)?
        } else {
            let cache = Cache::new(store, cache_bytes);
            let ahead = threads("ahead", AHEAD_AT_ONCE, &closed, Get::carry_out)?;
            jobs("consumers", &move |request: &ObjectRequest| cache.perform(request, &ahead), &closed)?
        };
        Ok(Threads { cuts, consumers, closed })
    }
}

fn jobs(
    name: &str,
    carry_out: &(impl Fn(&ObjectRequest) -> ObjectResult + Clone + Send + 'static),
    closed: &Arc<AtomicBool>,
) -> io::Result<Sender<Job>> {
    let carry_out = carry_out.clone();
    threads(name, AT_ONCE, closed, move |(request, done): Job| done(carry_out(&request)))
}

fn threads<T: Send + 'static>(
    name: &str,
    count: usize,
    closed: &Arc<AtomicBool>,
    work: impl Fn(T) + Clone + Send + 'static,
) -> io::Result<Sender<T>> {
    let (sender, receiver) = channel();
    let receiver = Arc::new(Mutex::new(receiver));
    for _ in 0..count {
        let (receiver, closed, work) = (Arc::clone(&receiver), Arc::clone(closed), work.clone());
        thread::Builder::new()
            .name(format!("store-{name}"))
            .spawn(move || work_off(&receiver, &closed, work))?;
    }
    Ok(sender)
}

fn work_off<T>(work: &Mutex<Receiver<T>>, closed: &AtomicBool, carry_out: impl Fn(T)) {
    // The brain waits for every completion: without this thread it would wait for ever.
    let _abort = AbortOnPanic;
    loop {
        let next = work.lock().expect("nobody panics while waiting for work").recv();
        let Ok(next) = next else { return };
        if !closed.load(Ordering::Acquire) {
            carry_out(next);
        }
    }
}

impl Couriers for Threads {
    fn submit(&self, request: ObjectRequest, done: Done) {
        let threads = match way(&request) {
            Way::Cuts => &self.cuts,
            Way::Consumers => &self.consumers,
        };
        threads.send((request, done)).expect("the threads live as long as the couriers");
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

/// A few tasks each way, each request after a delay. For simulations, where there are no threads.
#[derive(Debug)]
pub struct Tasks {
    cuts: tokio::sync::mpsc::UnboundedSender<Job>,
    consumers: tokio::sync::mpsc::UnboundedSender<Job>,
    closed: Arc<AtomicBool>,
}

impl Tasks {
    /// Starts the tasks. Must be called within a tokio runtime.
    #[must_use]
    pub fn start(store: &Arc<dyn ObjectStore>, delay: Duration) -> Tasks {
        let closed = Arc::new(AtomicBool::new(false));
        Tasks { cuts: tasks(store, delay, &closed), consumers: tasks(store, delay, &closed), closed }
    }
}

fn tasks(
    store: &Arc<dyn ObjectStore>,
    delay: Duration,
    closed: &Arc<AtomicBool>,
) -> tokio::sync::mpsc::UnboundedSender<Job> {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel::<Job>();
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    for _ in 0..AT_ONCE {
        let (receiver, store, closed) = (Arc::clone(&receiver), Arc::clone(store), Arc::clone(closed));
        tokio::spawn(async move {
            loop {
                let job = receiver.lock().await.recv().await;
                let Some((request, done)) = job else { return };
                tokio::time::sleep(delay).await;
                if closed.load(Ordering::Acquire) {
                    continue;
                }
                done(perform(&*store, &request));
            }
        });
    }
    sender
}

impl Couriers for Tasks {
    fn submit(&self, request: ObjectRequest, done: Done) {
        let tasks = match way(&request) {
            Way::Cuts => &self.cuts,
            Way::Consumers => &self.consumers,
        };
        // A simulated node that was killed has no tasks any more; nobody waits for its work either.
        let _ = tasks.send((request, done));
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
