//! The subcommands as a user runs them: the real binary, against the real broker and on what it left.

mod admin;
mod groups;
mod offline;
mod topics;
mod usage;

use std::{
    io::Write,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use evenkeel_tests::{Broker, binary};
use serde_json::Value;

/// A broker on a new directory, which does not wait for more members when a group begins.
fn broker(directory: &Path) -> Broker {
    let arguments = ["--auto-create-topics", "false", "--group-initial-rebalance-delay", "0s"];
    Broker::start(&directory.join("data"), &arguments)
}

/// What came of a command.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: Vec<u8>,
    err: String,
}

impl Ran {
    fn of(output: Output) -> Ran {
        Ran {
            code: output.status.code(),
            out: output.stdout,
            err: String::from_utf8(output.stderr).expect("messages are text"),
        }
    }

    /// What it printed; it must have said that all went well.
    #[track_caller]
    fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        String::from_utf8(self.out).expect("text")
    }

    /// What it complained about; it must have ended with this code and printed nothing.
    #[track_caller]
    fn fails(self, code: i32) -> String {
        assert_eq!((self.code, &self.out[..]), (Some(code), &b""[..]), "{}", self.err);
        self.err
    }

    /// What it printed as JSON: one value on one line.
    #[track_caller]
    fn json(self) -> Value {
        let out = self.ok();
        assert_eq!(out.matches('\n').count(), 1, "{out}");
        serde_json::from_str(&out).expect("JSON")
    }

    /// What it printed as JSON, a value on each line.
    #[track_caller]
    fn json_lines(self) -> Vec<Value> {
        self.ok().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

fn command(bootstrap: &str, line: &str) -> Command {
    let mut command = Command::new(binary());
    command.args(line.split_whitespace()).env_clear().env("EVENKEEL_BOOTSTRAP", bootstrap);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command line to its end.
fn run(broker: &Broker, line: &str) -> Ran {
    Ran::of(command(&broker.bootstrap(), line).output().expect("the binary starts"))
}

/// Runs a command line to its end, with this input.
fn feed(broker: &Broker, line: &str, input: &[u8]) -> Ran {
    let mut child = start(broker, line);
    let mut stdin = child.stdin.take().expect("it has an input");
    // It may have ended before it read: what it said is in the output.
    let _ = stdin.write_all(input);
    drop(stdin);
    Ran::of(child.wait_with_output().expect("our child"))
}

/// Starts a command that ends later.
fn start(broker: &Broker, line: &str) -> Child {
    command(&broker.bootstrap(), line).stdin(Stdio::piped()).spawn().expect("the binary starts")
}
