//! The simulator, built on the instrumented copy, in a process of its own: it is asked over a pipe, and may hang or die.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::Duration,
};

use crate::reach::Reached;

/// Address space of a worker, in KiB: a mutant that fills memory dies alone.
const MEMORY_KIB_MAX: u64 = 6 << 20;
/// Longest time for one run without a mutant.
const REACH_WAIT: Duration = Duration::from_secs(300);

/// What a mutant came to in a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// Something noticed it.
    Killed {
        /// The seed, or the test.
        at: String,
        /// The oracle that fired.
        by: String,
    },
    /// Nothing did.
    Survived,
}

/// A worker process.
#[derive(Debug)]
pub struct Worker {
    binary: PathBuf,
    process: Option<Process>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Worker {
    /// A worker that is begun when it is asked first.
    #[must_use]
    pub fn new(binary: &Path) -> Worker {
        Worker { binary: binary.to_owned(), process: None }
    }

    fn process(&mut self) -> Result<&mut Process, String> {
        if self.process.is_none() {
            self.process = Some(self.begin()?);
        }
        self.process.as_mut().ok_or_else(|| String::from("no worker"))
    }

    fn begin(&self) -> Result<Process, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", self.binary.display());
        let mut child = Command::new("sh")
            .args(["-c", &format!("ulimit -v {MEMORY_KIB_MAX}; exec \"$0\" audit-worker")])
            .arg(&self.binary)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let stdin = child.stdin.take().ok_or("a worker without an input")?;
        let stdout = child.stdout.take().ok_or("a worker without an output")?;
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Process { child, stdin, lines })
    }

    /// Which mutants each of these seeds reaches, and how long it takes. Seeds that break a promise as they are, are left out.
    ///
    /// # Errors
    /// The worker does not start, or ends.
    pub fn reach(&mut self, layer: &str, seeds: &[u64]) -> Result<BTreeMap<u64, Reached>, String> {
        let process = self.process()?;
        let list: Vec<String> = seeds.iter().map(u64::to_string).collect();
        writeln!(process.stdin, "reach {layer} {}", list.join(" "))
            .map_err(|error| format!("worker: {error}"))?;
        let mut found = BTreeMap::new();
        loop {
            let line =
                process.lines.recv_timeout(REACH_WAIT).map_err(|_| "a worker ended or hangs".to_owned())?;
            let mut words = line.split(' ');
            match words.next() {
                Some("reached") => {
                    let (seed, millis) = (words.next(), words.next());
                    let (Some(Ok(seed)), Some(Ok(millis))) = (seed.map(str::parse), millis.map(str::parse))
                    else {
                        return Err(format!("a worker said {line:?}"));
                    };
                    found.insert(seed, Reached::read(words.next().unwrap_or_default(), millis)?);
                }
                Some("violation") => eprintln!("left out, it breaks a promise as it is: {layer} {line}"),
                Some("done") => return Ok(found),
                _ => return Err(format!("a worker said {line:?}")),
            }
        }
    }

    /// Runs a mutant on these seeds, one after the other. `wait`: after so long without a word it hangs, which is a find.
    ///
    /// # Errors
    /// The worker does not start.
    pub fn try_on(
        &mut self,
        number: u32,
        layer: &str,
        seeds: &[u64],
        wait: Duration,
    ) -> Result<Tried, String> {
        let process = self.process()?;
        let list: Vec<String> = seeds.iter().map(u64::to_string).collect();
        writeln!(process.stdin, "try {number} {layer} {}", list.join(" "))
            .map_err(|error| format!("worker: {error}"))?;
        let mut at = String::from("?");
        loop {
            match process.lines.recv_timeout(wait) {
                Ok(line) => match line.split_once(' ') {
                    Some(("at", seed)) => at = seed.to_owned(),
                    Some(("killed", by)) => return Ok(Tried::Killed { at, by: by.to_owned() }),
                    _ if line == "survived" => return Ok(Tried::Survived),
                    _ => return Err(format!("a worker said {line:?}")),
                },
                Err(end) => {
                    self.process = None;
                    let by = match end {
                        RecvTimeoutError::Timeout => "hangs",
                        RecvTimeoutError::Disconnected => "dies",
                    };
                    return Ok(Tried::Killed { at, by: by.to_owned() });
                }
            }
        }
    }
}
