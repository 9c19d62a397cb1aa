//! Records on their way, one request at a time in each partition; and when and where each was acknowledged.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::SmallRng};

use crate::{
    PATIENCE,
    raw::{self, Raw},
};

/// A record that was acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acked {
    /// Where.
    pub offset: i64,
    /// Its value, which no other record has.
    pub value: Vec<u8>,
    /// When.
    pub at: Instant,
}

/// What became of one partition's records.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    /// In the order sent.
    pub acked: Vec<Acked>,
    /// Sent without an answer.
    pub in_flight: Vec<Vec<u8>>,
    /// Requests that were refused.
    pub refused: usize,
}

/// Threads that write until they are told to end, or until the broker is gone.
pub struct Load {
    lanes: Vec<Arc<Mutex<Lane>>>,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    /// Begins, with one thread for each partition, as fast as they can. `name` goes into each value.
    ///
    /// # Panics
    /// The broker cannot be connected to.
    #[must_use]
    pub fn begin(address: SocketAddr, topic: &str, partitions: i32, name: &str, seed: u64) -> Load {
        Load::paced(address, topic, partitions, name, seed, Duration::ZERO)
    }

    /// The same with a pause after each request.
    ///
    /// # Panics
    /// The broker cannot be connected to.
    #[must_use]
    pub fn paced(
        address: SocketAddr,
        topic: &str,
        partitions: i32,
        name: &str,
        seed: u64,
        pause: Duration,
    ) -> Load {
        let over = Arc::new(AtomicBool::new(false));
        let lanes: Vec<Arc<Mutex<Lane>>> = (0..partitions).map(|_| Arc::default()).collect();
        let thread = |(partition, lane): (i32, &Arc<Mutex<Lane>>)| {
            let writer = Writer {
                client: Raw::connect(address).expect("the broker serves"),
                topic: topic.to_string(),
                partition,
                name: name.to_string(),
                random: SmallRng::seed_from_u64(seed ^ u64::from(partition.cast_unsigned())),
                pause,
                lane: Arc::clone(lane),
                over: Arc::clone(&over),
            };
            std::thread::spawn(move || writer.run())
        };
        let threads = (0..).zip(&lanes).map(thread).collect();
        Load { lanes, over, threads }
    }

    /// Records acknowledged so far.
    #[must_use]
    pub fn acked(&self) -> usize {
        self.lanes.iter().map(|lane| look(lane).acked.len()).sum()
    }

    /// Requests refused so far.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.lanes.iter().map(|lane| look(lane).refused).sum()
    }

    /// Ends it, and says what became of it.
    ///
    /// # Panics
    /// A thread did.
    #[must_use]
    pub fn end(self) -> Vec<Lane> {
        self.over.store(true, Ordering::Release);
        for thread in self.threads {
            thread.join().expect("a load does not panic");
        }
        self.lanes.iter().map(|lane| look(lane).clone()).collect()
    }
}

fn look(lane: &Mutex<Lane>) -> MutexGuard<'_, Lane> {
    lane.lock().expect("a load does not panic")
}

struct Writer {
    client: Raw,
    topic: String,
    partition: i32,
    name: String,
    random: SmallRng,
    pause: Duration,
    lane: Arc<Mutex<Lane>>,
    over: Arc<AtomicBool>,
}

impl Writer {
    fn run(mut self) {
        self.client.patience(PATIENCE).expect("a socket option");
        let (mut sequence, mut answer) = (0u64, Vec::new());
        while !self.over.load(Ordering::Acquire) {
            let upto = sequence + self.random.random_range(1..6);
            let values: Vec<Vec<u8>> = (sequence..upto).map(|sequence| self.value(sequence)).collect();
            sequence = upto;
            let batch = raw::batch_of(values.iter().map(|value| &value[..]));
            let request = raw::produce(&self.topic, self.partition, batch);
            if self.client.send(&request).and_then(|()| self.client.receive(&mut answer)).is_err() {
                look(&self.lane).in_flight = values;
                return;
            }
            let at = Instant::now();
            if raw::produce_error(&answer) != 0 {
                look(&self.lane).refused += 1;
                // As clients do it.
                std::thread::sleep(Duration::from_millis(10));
                continue;
            }
            let offsets = raw::produced_offset(&answer)..;
            let acked = offsets.zip(values).map(|(offset, value)| Acked { offset, value, at });
            look(&self.lane).acked.extend(acked);
            std::thread::sleep(self.pause);
        }
    }

    fn value(&mut self, sequence: u64) -> Vec<u8> {
        let mut value = format!("{}/{}/{sequence}/", self.name, self.partition).into_bytes();
        let more = self.random.random_range(0..2000);
        value.extend((0..more).map(|_| self.random.random::<u8>()));
        value
    }
}
