//! The tests of the instrumented crate, as one more layer.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, mpsc::channel},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    copy::{Copy, Tests},
    reach::Reached,
    worker::Tried,
};

/// A test without a mutant takes this long at most.
const TEST_WAIT: Duration = Duration::from_secs(120);

/// A test of a binary.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Test {
    binary: PathBuf,
    name: String,
}

/// All tests that pass as they are, and what each reaches.
#[derive(Debug, Default)]
pub struct Suite {
    tests: BTreeMap<Test, Reached>,
    /// Tests run in the folder of their crate.
    folder: PathBuf,
    program: Option<PathBuf>,
}

impl Suite {
    /// Builds the tests of the copy and runs each once.
    ///
    /// # Errors
    /// They do not build.
    pub fn of(copy: &Copy, scratch: &Path, jobs: usize) -> Result<Suite, String> {
        let program = match copy.subject.program {
            Some(program) => Some(copy.build(&["--bin", program], program)?),
            None => None,
        };
        let mut tests = Vec::new();
        for of in copy.subject.tests {
            tests.extend(build(copy, of)?);
        }
        fs::create_dir_all(scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
        let suite = Suite { tests: BTreeMap::new(), folder: copy.root.join(copy.subject.folder), program };
        let (queue, found) = (Mutex::new(tests.into_iter().enumerate()), Mutex::new(BTreeMap::new()));
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    loop {
                        let next = queue.lock().ok().and_then(|mut queue| queue.next());
                        let Some((number, test)) = next else { break };
                        if let Some(reached) =
                            suite.reached(&test, &scratch.join(format!("reached-{number}")))
                            && let Ok(mut found) = found.lock()
                        {
                            found.insert(test, reached);
                        }
                    }
                });
            }
        });
        let tests = found.into_inner().map_err(|_| "a thread of the tests panicked")?;
        Ok(Suite { tests, ..suite })
    }

    /// How many tests there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tests.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    /// Whether any test comes by that mutant.
    #[must_use]
    pub fn reaches(&self, number: u32) -> bool {
        self.tests.values().any(|reached| reached.has(number))
    }

    /// Runs every test that comes by a mutant with it, binary by binary, until one fails.
    ///
    /// # Errors
    /// A binary does not start.
    pub fn try_on(&self, number: u32) -> Result<Tried, String> {
        let mut by_binary: BTreeMap<&PathBuf, (Vec<&str>, u64)> = BTreeMap::new();
        for (test, reached) in self.tests.iter().filter(|(_, reached)| reached.has(number)) {
            let (names, millis) = by_binary.entry(&test.binary).or_default();
            names.push(&test.name);
            *millis += reached.millis;
        }
        for (binary, (names, millis)) in by_binary {
            let wait = Duration::from_millis(20_000 + 10 * millis);
            let mut command = self.command(binary);
            command.args(["--exact", "--test-threads", "1"]).args(&names);
            command.env("EVENKEEL_AUDIT", number.to_string());
            let (passed, text) = run(&mut command, wait)?;
            if !passed {
                let failed =
                    text.lines().find_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
                let at = failed.unwrap_or(names[0]).to_owned();
                let by = if failed.is_some() { "test" } else { "hangs or dies" };
                return Ok(Tried::Killed { at, by: by.to_owned() });
            }
        }
        Ok(Tried::Survived)
    }
}

impl Suite {
    fn command(&self, binary: &Path) -> Command {
        let mut command = Command::new(binary);
        command.current_dir(&self.folder);
        if let Some(program) = &self.program {
            command.env("EVENKEEL_BIN", program);
        }
        command
    }

    /// What a test reaches; nothing if it fails as it is.
    fn reached(&self, test: &Test, into: &Path) -> Option<Reached> {
        // Of an earlier run.
        let _ = fs::remove_file(into);
        let began = Instant::now();
        let mut command = self.command(&test.binary);
        command.args(["--exact", &test.name]);
        command.env("EVENKEEL_AUDIT", "reach").env("EVENKEEL_AUDIT_REACHED", into);
        let passed = run(&mut command, TEST_WAIT).is_ok_and(|(passed, _)| passed);
        if !passed {
            eprintln!("left out, it fails as it is: {}", test.name);
            return None;
        }
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let text = fs::read_to_string(into).unwrap_or_default();
        Some(Reached::of(text.lines().filter_map(|line| line.parse().ok()), millis))
    }
}

fn names_in(binary: &Path) -> Result<Vec<String>, String> {
    let output = Command::new(binary)
        .args(["--list", "--format", "terse"])
        .output()
        .map_err(|error| format!("{}: {error}", binary.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect())
}

/// Builds tests of the copy.
fn build(copy: &Copy, of: &Tests) -> Result<Vec<Test>, String> {
    let output = copy
        .cargo_with("test", of.flags)
        .args(["-p", of.package, "--no-run", "--message-format=json"])
        .args(of.which)
        .stderr(Stdio::piped())
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "the tests of the copy do not build:\n{}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    let mut tests = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
        let of_tests = message["profile"]["test"] == true;
        if let Some(binary) = message["executable"].as_str().filter(|_| of_tests) {
            let binary = PathBuf::from(binary);
            tests.extend(names_in(&binary)?.into_iter().map(|name| Test { binary: binary.clone(), name }));
        }
    }
    Ok(tests)
}

/// Whether it ends well in time, and what it says.
fn run(command: &mut Command, wait: Duration) -> Result<(bool, String), String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let stdout = child.stdout.take();
    let (send, ended) = channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        if let Some(mut stdout) = stdout {
            // What is not text is no name of a test either.
            let _ = std::io::Read::read_to_string(&mut stdout, &mut text);
        }
        // Nobody waits any more if it took too long.
        let _ = send.send(text);
    });
    // Its output ends when it does.
    let Ok(text) = ended.recv_timeout(wait) else {
        // It may end just now.
        let _ = child.kill();
        let _ = child.wait();
        return Ok((false, String::new()));
    };
    let status = child.wait().map_err(|error| format!("{command:?}: {error}"))?;
    Ok((status.success(), text))
}
