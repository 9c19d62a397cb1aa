//! `evenkeel inspect | verify | restore --dry-run`: files and objects, without a broker. Nothing is ever written.
//!
//! Formats are read by the decoders of the core, and a data directory is judged by the recovery that a start runs ([`survey`]).
//! What is found becomes a [`sheet::Sheet`], printed for people or as JSON. Exit codes: 0 all is well; 1 wrong usage, or something
//! cannot be read; 2 damage.

mod batches;
mod entries;
mod findings;
mod inspect;
mod restore;
mod sheet;
mod source;
mod store;
mod survey;
mod verify;

use std::process::ExitCode;

pub use {inspect::Inspect, restore::Restore, verify::Verify};

use super::{client::say, failure::Failure, output::Output};

/// Wrong usage, or something cannot be read: nothing is known of it.
const UNREADABLE: u8 = 1;
/// Damage.
const DAMAGED: u8 = 2;

/// How a look ended, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ended {
    Well,
    Unreadable,
    Damaged,
}

impl Ended {
    fn code(self) -> ExitCode {
        match self {
            Ended::Well => ExitCode::SUCCESS,
            Ended::Unreadable => ExitCode::from(UNREADABLE),
            Ended::Damaged => ExitCode::from(DAMAGED),
        }
    }
}

/// Runs a look and turns what came of it into the exit code, whether or not anybody reads what it prints.
fn run(look: impl FnOnce(&mut Output, &mut Ended) -> Result<(), Failure>) -> ExitCode {
    let mut output = Output::new();
    let mut ended = Ended::Well;
    let printed = look(&mut output, &mut ended).and_then(|()| output.flush());
    match printed {
        Ok(()) | Err(Failure::Unread) => ended.code(),
        Err(failure) => {
            failure.to_string().lines().for_each(say);
            ExitCode::from(UNREADABLE)
        }
    }
}
