//! What a verification finds.

use std::collections::BTreeSet;

use evenkeel_core::port::{DiskError, DiskErrorKind, ObjectError, ObjectErrorKind};

use super::{
    super::{failure::Failure, json::Json, output::Output},
    Ended,
};

/// What is the matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Matter {
    /// Worth a look, and no damage.
    Note,
    /// It could not be read: nothing is known of it.
    Unreadable,
    /// It is not there, and something refers to it.
    Missing,
    /// It is not what was written.
    Damaged,
}

impl Matter {
    fn word(self) -> &'static str {
        match self {
            Matter::Note => "note",
            Matter::Unreadable => "unreadable",
            Matter::Missing => "missing",
            Matter::Damaged => "damaged",
        }
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Finding {
    matter: Matter,
    /// The file, object, or partition.
    place: String,
    what: String,
}

/// All of them, each once, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    found: Vec<Finding>,
    known: BTreeSet<Finding>,
}

impl Findings {
    pub(super) fn add(&mut self, matter: Matter, place: impl ToString, what: impl ToString) {
        let finding = Finding { matter, place: place.to_string(), what: what.to_string() };
        if self.known.insert(finding.clone()) {
            self.found.push(finding);
        }
    }

    /// Those of another look.
    pub(super) fn extend(&mut self, others: Findings) {
        others.found.into_iter().for_each(|other| self.add(other.matter, other.place, other.what));
    }

    /// Whether there is one about that place that is no note.
    pub(super) fn tell_of(&self, place: &str) -> bool {
        self.found.iter().any(|finding| finding.matter > Matter::Note && finding.place == place)
    }

    /// An object that could not be read as it should be.
    pub(super) fn object(&mut self, error: &ObjectError) {
        let matter = match error.kind {
            ObjectErrorKind::NotFound => Matter::Missing,
            ObjectErrorKind::Damaged => Matter::Damaged,
            ObjectErrorKind::Exists | ObjectErrorKind::Denied | ObjectErrorKind::Unknown => {
                Matter::Unreadable
            }
        };
        let what = match matter {
            Matter::Missing => "there is no such object, and it is referred to",
            Matter::Note | Matter::Unreadable | Matter::Damaged => &error.detail,
        };
        let place = error.key.map_or_else(|| String::from("object store"), |key| key.to_string());
        self.add(matter, place, what);
    }

    /// A file that could not be read as it should be.
    pub(super) fn disk(&mut self, error: &DiskError) {
        let matter = match error.kind {
            DiskErrorKind::NotFound => Matter::Missing,
            DiskErrorKind::Damaged => Matter::Damaged,
            DiskErrorKind::Full | DiskErrorKind::Failed => Matter::Unreadable,
        };
        let place = error.file.map_or_else(|| String::from("data directory"), |file| file.to_string());
        self.add(matter, place, &error.detail);
    }

    pub(super) fn ended(&self) -> Ended {
        match self.found.iter().map(|finding| finding.matter).max() {
            None | Some(Matter::Note) => Ended::Well,
            Some(Matter::Unreadable) => Ended::Unreadable,
            Some(Matter::Missing | Matter::Damaged) => Ended::Damaged,
        }
    }

    /// A list of objects with `matter`, `in` and `what`.
    pub(super) fn json(&self) -> Json {
        Json::list(self.found.iter().map(|finding| {
            Json::object([
                ("matter", Json::from(finding.matter.word())),
                ("in", Json::from(&finding.place[..])),
                ("what", Json::from(&finding.what[..])),
            ])
        }))
    }

    pub(super) fn print(&self, output: &mut Output) -> Result<(), Failure> {
        self.found.iter().try_for_each(|finding| {
            let word = match finding.matter {
                Matter::Note => String::from("note"),
                Matter::Unreadable | Matter::Missing | Matter::Damaged => {
                    finding.matter.word().to_uppercase()
                }
            };
            output.line(&format!("{word}: {}: {}", finding.place, finding.what))
        })
    }
}
