//! A broker process for tests: the real binary on a real directory, started, killed, stopped, and looked at.

pub mod face;
pub mod kafka;
pub mod load;
pub mod log_files;
pub mod raw;
pub mod store;

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// How long anything that must happen may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The binary under test, built once. `EVENKEEL_BIN` names another one.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(given) = std::env::var_os("EVENKEEL_BIN") {
            return PathBuf::from(given);
        }
        let mut build = Command::new(env!("CARGO"));
        // Not of its package alone: that has other features, and most of what it needs would be built a second time.
        build.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
        build.args(["build", "--quiet", "--bin", "evenkeel"]);
        // What cargo tells this test of its package: ring is built anew whenever that changes, and with it half of the rest.
        for (name, _) in std::env::vars_os() {
            let told = name
                .to_str()
                .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
            if told {
                build.env_remove(name);
            }
        }
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        let built = build.status().expect("cargo runs, it runs this test");
        assert!(built.success(), "the binary must build");
        let test = std::env::current_exe().expect("a test has a path");
        let profile = test.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>");
        profile.join("evenkeel")
    })
}

/// A seed for one test: from `EVENKEEL_SEED`, or of the moment. Printed, so that a failure can be run again.
pub fn seed() -> u64 {
    let seed =
        std::env::var("EVENKEEL_SEED").ok().and_then(|given| given.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("EVENKEEL_SEED={seed}");
    seed
}

/// Calls until it gives something.
///
/// # Panics
/// After [`PATIENCE`], with `what` in the message.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A broker process.
pub struct Broker {
    child: Child,
    address: SocketAddr,
    directory: PathBuf,
    log: PathBuf,
    /// Bytes of it that are of starts before.
    log_before: usize,
    arguments: Vec<String>,
    /// How long the last start took until a client could connect.
    pub start_time: Duration,
}

/// How a start ended.
pub enum Start {
    /// It serves.
    Serving(Broker),
    /// It ended by itself.
    Ended(ExitStatus, String),
}

/// An address for a broker, each only once in this process. Its port lies below those that systems give to connections that go
/// out: one of them could take it before the broker does, or while a broker that was killed is away.
///
/// # Panics
/// Every port is taken.
pub fn free_address() -> SocketAddr {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(101);
    let next = || FIRST + begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
    (0..COUNT)
        .filter_map(|_| u16::try_from(next()).ok())
        .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("loopback has a free port")
}

/// Whether a client gets an answer: the port is open from the start, clients are served only after recovery.
fn answers(address: SocketAddr) -> bool {
    // ApiVersions, version 0, correlation id 1, no client id.
    const REQUEST: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff];
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let answered = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.write_all(&REQUEST));
    answered.and_then(|()| stream.read_exact(&mut [0; 8])).is_ok()
}

impl Broker {
    /// Starts a broker on a directory, with further arguments.
    ///
    /// # Panics
    /// It did not come up.
    pub fn start(directory: &Path, arguments: &[&str]) -> Broker {
        match Broker::try_start(directory, free_address(), arguments) {
            Start::Serving(broker) => broker,
            Start::Ended(status, log) => panic!("the broker ended with {status}:\n{log}"),
        }
    }

    /// Starts a broker that may refuse to.
    pub fn try_start(directory: &Path, address: SocketAddr, arguments: &[&str]) -> Start {
        let log = directory.with_extension("log");
        let output = File::options().create(true).append(true).open(&log).expect("the log can be written");
        let log_before = output.metadata().map_or(0, |known| usize::try_from(known.len()).unwrap_or(0));
        let begun = Instant::now();
        let mut child = Command::new(binary())
            .arg("serve")
            .args(["--listen", &address.to_string(), "--data-dir"])
            .arg(directory)
            .args(arguments)
            .env_clear()
            // For stores, which take any credentials but want some.
            .envs([("AWS_ACCESS_KEY_ID", "nobody"), ("AWS_SECRET_ACCESS_KEY", "nothing")])
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a second handle"))
            .stderr(output)
            .spawn()
            .expect("the binary starts");
        let ended = wait_for("the broker to serve", || match child.try_wait().expect("our child") {
            Some(status) => Some(Some(status)),
            None => answers(address).then_some(None),
        });
        let start_time = begun.elapsed();
        if let Some(status) = ended {
            return Start::Ended(status, std::fs::read_to_string(&log).unwrap_or_default());
        }
        Start::Serving(Broker {
            child,
            address,
            directory: directory.to_path_buf(),
            log,
            log_before,
            arguments: arguments.iter().map(|&argument| argument.to_string()).collect(),
            start_time,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `host:port`, as clients want it.
    pub fn bootstrap(&self) -> String {
        self.address.to_string()
    }

    /// Its data directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has printed so far, over all starts on this directory.
    pub fn printed(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Everything that this process has printed so far.
    pub fn printed_now(&self) -> String {
        self.printed().split_off(self.log_before)
    }

    /// The last line printed that contains `part`.
    pub fn last_line_with(&self, part: &str) -> Option<String> {
        let lines = BufReader::new(File::open(&self.log).ok()?).lines();
        lines.map_while(Result::ok).filter(|line| line.contains(part)).last()
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(&mut self) {
        self.child.kill().expect("our child can be killed");
        self.child.wait().expect("our child can be waited for");
    }

    /// Starts again after [`Broker::kill`] or [`Broker::stop`], at the same address.
    ///
    /// # Panics
    /// It did not come up.
    pub fn start_again(&mut self) {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        match Broker::try_start(&self.directory, self.address, &arguments) {
            Start::Serving(broker) => *self = broker,
            Start::Ended(status, log) => panic!("the broker ended with {status}:\n{log}"),
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
        rustix::process::kill_process(pid, signal).expect("our child can be signalled");
    }

    /// SIGTERM, and the exit status.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(rustix::process::Signal::TERM);
        self.wait()
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        wait_for("the broker to end", || self.child.try_wait().expect("our child"))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // A test that failed leaves no process behind. One that has ended already gives an error, which is fine.
        if self.child.kill().is_ok() {
            self.child.wait().expect("our child can be waited for");
        }
    }
}
