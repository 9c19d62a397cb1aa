//! Who carries out disk work: threads in production, tasks in a simulation.

use std::{
    io,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

use evenkeel_core::port::{Disk, DiskRequest, DiskResult, Lane, perform};

/// Called once with the result, on whatever thread did the work.
pub type Done = Box<dyn FnOnce(DiskResult) + Send>;

/// Carries out disk work. Requests of one lane begin in order; each calls its `Done` exactly once.
pub trait Lanes: Send + Sync {
    /// Takes a request.
    fn submit(&self, request: DiskRequest, done: Done);
}

type Job = (DiskRequest, Done);

/// One thread for the log, one for what goes on in the background, a few for reads. They end when this is dropped.
#[derive(Debug)]
pub struct Threads {
    log: Sender<Job>,
    background: Sender<Job>,
    read: Sender<Job>,
}

const READERS: usize = 3;

impl Threads {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(disk: &Arc<dyn Disk>) -> io::Result<Threads> {
        Ok(Threads {
            log: lane("log", 1, disk)?,
            background: lane("background", 1, disk)?,
            read: lane("read", READERS, disk)?,
        })
    }
}

fn lane(name: &str, threads: usize, disk: &Arc<dyn Disk>) -> io::Result<Sender<Job>> {
    let (sender, receiver) = channel::<Job>();
    let receiver = Arc::new(Mutex::new(receiver));
    for _ in 0..threads {
        let (receiver, disk) = (Arc::clone(&receiver), Arc::clone(disk));
        thread::Builder::new().name(format!("disk-{name}")).spawn(move || work(&receiver, &*disk))?;
    }
    Ok(sender)
}

fn work(jobs: &Mutex<Receiver<Job>>, disk: &dyn Disk) {
    loop {
        let job = jobs.lock().expect("nobody panics while waiting for work").recv();
        let Ok((request, done)) = job else { return };
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
}

/// One task a lane, each step after a delay. For simulations, where there are no threads.
#[derive(Debug)]
pub struct Tasks {
    lanes: [tokio::sync::mpsc::UnboundedSender<Job>; 3],
}

impl Tasks {
    /// Starts the tasks. Must be called within a tokio runtime.
    #[must_use]
    pub fn start(disk: &Arc<dyn Disk>, delay: Duration) -> Tasks {
        Tasks {
            lanes: [(); 3].map(|()| {
                let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel::<Job>();
                let disk = Arc::clone(disk);
                tokio::spawn(async move {
                    while let Some((request, done)) = receiver.recv().await {
                        tokio::time::sleep(delay).await;
                        done(perform(&*disk, &request.steps));
                    }
                });
                sender
            }),
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
}
