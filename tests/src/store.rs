//! A broker with an object store: an S3 server in this process, or in front of one that is not ours.
//!
//! `EVENKEEL_TEST_S3_ENDPOINT` (`http://HOST:PORT`) and `EVENKEEL_TEST_S3_BUCKET` name another server; `tests/stores/run` sets them.

use std::{
    path::Path,
    process::ExitStatus,
    time::{Duration, Instant},
};

use crate::{
    Broker, Start,
    face::{Face, Made, Weather},
    free_address, raw, wait_for,
};

/// A place in a bucket for one cluster, and the server that has it.
pub struct Store {
    /// All requests come by it, and meet what it is told to do.
    pub face: Face,
    bucket: String,
    prefix: String,
}

/// A cut, as the broker tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Everything below is stored.
    pub lsn: u64,
    /// Bytes of data objects.
    pub bytes: u64,
    /// Data objects.
    pub objects: u64,
    /// Number of its manifest.
    pub manifest: u64,
    /// From its beginning until the manifest was there.
    pub took: Duration,
}

impl Store {
    /// A place with nothing in it.
    ///
    /// # Panics
    /// The server cannot be started, or is not named as it must be.
    #[must_use]
    pub fn new() -> Store {
        let (face, bucket) = match std::env::var("EVENKEEL_TEST_S3_ENDPOINT") {
            Err(_) => (Face::start(), String::from("bucket")),
            Ok(endpoint) => {
                let server = endpoint.strip_prefix("http://").expect("http://HOST:PORT");
                let bucket = std::env::var("EVENKEEL_TEST_S3_BUCKET").expect("the bucket is named, too");
                (Face::before(server), bucket)
            }
        };
        // As S3 does it.
        face.set_page(1000);
        // No other test of this run, nor of one before, uses the same.
        Store { face, bucket, prefix: format!("{:016x}/cluster", rand::random::<u64>()) }
    }

    /// What a broker is to be told of it, and more.
    #[must_use]
    pub fn arguments(&self, more: &[&str]) -> Vec<String> {
        let endpoint = self.face.endpoint();
        let place = ["--s3-bucket", &self.bucket, "--s3-endpoint", &endpoint, "--s3-prefix", &self.prefix];
        place.iter().chain(more).map(|&argument| argument.to_string()).collect()
    }

    /// Starts a broker with it.
    ///
    /// # Panics
    /// It did not come up.
    #[must_use]
    pub fn start(&self, directory: &Path, more: &[&str]) -> Broker {
        match self.try_start(directory, more) {
            Start::Serving(broker) => broker,
            Start::Ended(status, log) => panic!("the broker ended with {status}:\n{log}"),
        }
    }

    /// Starts a broker with it that may refuse to.
    #[must_use]
    pub fn try_start(&self, directory: &Path, more: &[&str]) -> Start {
        let arguments = self.arguments(more);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Broker::try_start(directory, free_address(), &arguments)
    }

    /// Starts a broker with it that must refuse to. Returns how it ended and what it printed.
    ///
    /// # Panics
    /// It serves.
    #[must_use]
    pub fn refused(&self, directory: &Path, more: &[&str]) -> (ExitStatus, String) {
        match self.try_start(directory, more) {
            Start::Serving(_) => panic!("it serves"),
            Start::Ended(status, log) => (status, log),
        }
    }

    /// Objects made so far of a kind, which is the folder they are in; in that order.
    #[must_use]
    pub fn made(&self, kind: &str) -> Vec<Made> {
        let folder = format!("{}/{kind}/", self.prefix);
        let ours = |made: &Made| made.key.starts_with(&folder);
        self.face.made().into_iter().filter(ours).collect()
    }

    /// The manifest with that number.
    #[must_use]
    pub fn manifest(&self, number: u64) -> Option<Made> {
        let name = format!("/{number:020}");
        self.made("manifest").into_iter().find(|made| made.key.ends_with(&name))
    }

    /// The newest cut that the broker tells of, and a time before which it has not begun: whatever was acknowledged earlier is in it.
    /// (The manifest was there before the broker counted the time that the cut took, and that is told in whole milliseconds.)
    ///
    /// # Panics
    /// Its manifest is not in the store.
    #[must_use]
    pub fn newest_cut(&self, broker: &Broker) -> Option<(Stored, Instant)> {
        let cut = stored(&broker.printed_now()).pop()?;
        let manifest = self.manifest(cut.manifest).expect("a manifest that is told of is in the store");
        Some((cut, manifest.at - cut.took - Duration::from_millis(1)))
    }

    /// Waits for a cut that has begun after that. Something must go on that makes cuts.
    ///
    /// # Panics
    /// It takes too long.
    pub fn wait_for_cut_after(&self, broker: &Broker, after: Instant) -> Stored {
        wait_for("a cut", || self.newest_cut(broker).filter(|(_, began)| *began >= after).map(|(cut, _)| cut))
    }

    /// Writes records into the first partition until there is a cut that has begun since: all that was written before is in it.
    ///
    /// # Panics
    /// It takes too long, or the broker refuses a record.
    pub fn write_until_cut(&self, broker: &Broker, topic: &str, value: &[u8]) -> Stored {
        let begun = Instant::now();
        let mut written = None;
        wait_for("a cut", || {
            // Most often one will do; it is not if the cut that has it began in the same millisecond.
            if written.is_none_or(|at: Instant| at.elapsed() > Duration::from_secs(2)) {
                raw::write(broker.address(), topic, 0, value);
                written = Some(Instant::now());
            }
            self.newest_cut(broker).filter(|(_, began)| *began >= begun).map(|(cut, _)| cut)
        })
    }

    /// The server does this to every request while `during` runs, and is well again afterwards.
    pub fn during<T>(&self, weather: Weather, during: impl FnOnce() -> T) -> T {
        self.face.turn(weather);
        let done = during();
        self.face.turn(Weather::Fair);
        done
    }
}

impl Default for Store {
    fn default() -> Store {
        Store::new()
    }
}

/// The cuts that a broker tells of, in order.
///
/// # Panics
/// It tells them in other words.
#[must_use]
pub fn stored(printed: &str) -> Vec<Stored> {
    let cut = |line: &str| {
        let (_, told) = line.split_once("stored up to LSN ").filter(|(_, told)| told.contains(" ms"))?;
        let numbers = told.split(|letter: char| !letter.is_ascii_digit()).filter(|part| !part.is_empty());
        let numbers: Vec<u64> = numbers.map(|part| part.parse().expect("digits")).collect();
        let [lsn, bytes, objects, manifest, ms] = numbers[..] else { panic!("{line:?} tells of no cut") };
        Some(Stored { lsn, bytes, objects, manifest, took: Duration::from_millis(ms) })
    };
    printed.lines().filter_map(cut).collect()
}
