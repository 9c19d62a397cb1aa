//! `evenkeel inspect`: what a file of a data directory, or an object, holds.

mod directory;
mod object;
mod segment;
mod state;

use std::{path::Path, process::ExitCode};

use clap::Args;
use evenkeel_core::{
    limits::{CHECKPOINT_BYTES_MAX, INDEX_BYTES_MAX, MANIFEST_BYTES_MAX, SEGMENT_BYTES_MAX},
    log::{
        identity::{self, Identity, NotAnIdentity},
        segment::SEGMENT_MAGIC,
    },
    port::{FileName, ObjectReply, ObjectRequest},
    state::checkpoint,
    store::{self, ObjectKey, data, delta, manifest},
};

use super::{
    super::{client::say, failure::Failure, output::Output},
    Ended, run,
    sheet::{Cell, Sheet},
    source::{Named, Source},
    store::Stored,
};
use crate::settings::StoreFlags;

/// Show what files of a data directory and objects of an object store hold.
///
/// A file may be a log segment, a checkpoint, the identity file, or a copy of an object; a directory is a data directory. A key
/// names an object of the store: `manifest` (the newest), manifest/NUMBER, data/NAME, state/NAME, index/NAME.
#[derive(Clone, Debug, Args)]
#[command(
    mut_args(|argument| argument.hide(false)),
    after_help = "Nothing is written, and a broker may be running. What is damaged is shown as far as it can be read, with where and why \
it ends.\n\n\
Examples:\n  \
evenkeel inspect data\n  \
evenkeel inspect data/log-00000000000000000001 --entries\n  \
evenkeel inspect --object-store s3://bucket/prefix manifest --entries\n  \
evenkeel inspect --object-store file:///srv/objects data/0000000001-0000000002-5bd1e99500000001 --batches\n\n\
JSON: a list with an object for each thing: kind, source, its fields, its tables as lists of objects, notes and damage as lists of \
texts. Sizes are bytes, times RFC 3339.\n\n\
Exit codes: 0 shown, and nothing is damaged; 1 wrong usage, or something cannot be read; 2 something is damaged."
)]
pub struct Inspect {
    /// Files, data directories, or keys of objects. Default, if a store is named: manifest.
    #[arg(value_name = "PATH-OR-KEY")]
    things: Vec<String>,

    /// List every record of a log segment; partitions and committed offsets of a checkpoint or state; what a manifest or an index
    /// refers to.
    #[arg(long)]
    entries: bool,

    /// List every record batch of a log segment or of a data object.
    #[arg(long)]
    batches: bool,

    /// List every sync group of a log segment: what was written at once.
    #[arg(long)]
    groups: bool,

    /// Print JSON.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    store: StoreFlags,
}

/// What is to be listed one by one.
#[derive(Clone, Copy, Debug, Default)]
struct Details {
    entries: bool,
    batches: bool,
    groups: bool,
}

impl Inspect {
    /// Runs it.
    #[must_use]
    pub fn run(self) -> ExitCode {
        run(|output, ended| self.look(output, ended))
    }

    fn look(mut self, output: &mut Output, ended: &mut Ended) -> Result<(), Failure> {
        let store = Stored::open(&self.store, None)?;
        if self.things.is_empty() {
            if store.is_none() {
                return Err(Failure::Wrong(String::from("a path, or a store and a key, is needed")));
            }
            self.things.push(String::from("manifest"));
        }
        let details = Details { entries: self.entries, batches: self.batches, groups: self.groups };
        let mut sheets = Vec::new();
        for thing in &self.things {
            match sheet(thing, store.as_ref(), details) {
                Ok(sheet) => {
                    if !sheet.damage.is_empty() {
                        *ended = Ended::Damaged;
                    }
                    sheets.push(sheet);
                }
                Err(failure) => {
                    say(&failure.to_string());
                    *ended = (*ended).max(Ended::Unreadable);
                }
            }
        }
        output.each(&sheets, self.json, Sheet::json, Sheet::print)
    }
}

fn sheet(thing: &str, store: Option<&Stored>, details: Details) -> Result<Sheet, Failure> {
    let path = Path::new(thing);
    match (store, key(thing)) {
        (Some(store), Some(key)) => {
            let key = match key {
                Key::Newest => newest(store)?,
                Key::Named(key) => key,
            };
            source_sheet(&Source::object(store, key)?, details)
        }
        (None, Some(_)) if !path.exists() => Err(Failure::Wrong(format!(
            "{thing}: there is no such file, and an object needs a store: --object-store URL"
        ))),
        (None | Some(_), _) if path.is_dir() => directory::sheet(path),
        (None | Some(_), _) => source_sheet(&Source::file(path)?, details),
    }
}

enum Key {
    Newest,
    Named(ObjectKey),
}

/// The key that is spelled so. The number of a manifest may go without its zeros.
fn key(thing: &str) -> Option<Key> {
    if thing == "manifest" {
        return Some(Key::Newest);
    }
    let short = thing.strip_prefix("manifest/").and_then(|number| number.parse().ok());
    short.map(ObjectKey::Manifest).or_else(|| ObjectKey::parse(thing)).map(Key::Named)
}

fn newest(store: &Stored) -> Result<ObjectKey, Failure> {
    match store::perform(store, &ObjectRequest::NewestManifest) {
        Ok(ObjectReply::Manifest(Some((number, _)))) => Ok(ObjectKey::Manifest(number)),
        Ok(ObjectReply::Manifest(None)) => {
            Err(Failure::Wrong(format!("there is no manifest in {}", store.place)))
        }
        Ok(
            ObjectReply::Bytes(_)
            | ObjectReply::Created
            | ObjectReply::Batches(_)
            | ObjectReply::Object(_)
            | ObjectReply::Keys(_)
            | ObjectReply::Removed,
        ) => {
            unreachable!("the newest manifest was asked for")
        }
        Err(error) => Err(Failure::Wrong(error.to_string())),
    }
}

/// What there is to decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Segment,
    Checkpoint,
    Identity,
    Manifest,
    Index,
    Data,
    Delta,
    Text,
    Torn,
}

/// By the first bytes; if they are damaged, by the name.
fn form(source: &Source<'_>) -> Result<Option<Form>, Failure> {
    let front = source.read_at(0, 8)?;
    let magics = [
        (SEGMENT_MAGIC, Form::Segment),
        (checkpoint::MAGIC, Form::Checkpoint),
        (identity::MAGIC, Form::Identity),
        (manifest::MAGIC, Form::Manifest),
        (manifest::INDEX_MAGIC, Form::Index),
        (data::MAGIC, Form::Data),
        (delta::MAGIC, Form::Delta),
    ];
    if let Some((_, form)) = magics.iter().find(|(magic, _)| front[..] == magic[..]) {
        return Ok(Some(*form));
    }
    Ok(match source.named() {
        Named::File(file) => Some(match file {
            FileName::Identity | FileName::IdentityDraft => Form::Identity,
            FileName::Segment(_) | FileName::SegmentDraft(_) | FileName::Lost(..) => Form::Segment,
            FileName::Checkpoint(_) | FileName::CheckpointDraft(_) => Form::Checkpoint,
            FileName::Torn(_) | FileName::Reserve => Form::Torn,
            FileName::LossReport(_) => Form::Text,
        }),
        Named::Object(key) => match key {
            ObjectKey::Manifest(_) => Some(Form::Manifest),
            ObjectKey::Data(_) => Some(Form::Data),
            ObjectKey::State(_) => Some(Form::Checkpoint),
            ObjectKey::Index(_) => Some(Form::Index),
            ObjectKey::Probe(_) => None,
        },
        Named::Nothing => None,
    })
}

fn source_sheet(source: &Source<'_>, details: Details) -> Result<Sheet, Failure> {
    let Some(form) = form(source)? else {
        return Err(Failure::Wrong(format!(
            "{}: it begins like nothing that evenkeel writes",
            source.name()
        )));
    };
    let mut sheet = Sheet::default();
    sheet.field(
        "kind",
        match (form, source.named()) {
            (Form::Segment, _) => "log segment",
            (Form::Checkpoint, Named::Object(_)) => "state",
            (Form::Checkpoint, Named::File(_) | Named::Nothing) => "checkpoint",
            (Form::Identity, _) => "identity",
            (Form::Manifest, _) => "manifest",
            (Form::Index, _) => "index",
            (Form::Data, _) => "data object",
            (Form::Delta, _) => "change of a state",
            (Form::Text, _) => "loss report",
            (Form::Torn, _) => "torn end",
        },
    );
    sheet.field("source", source.name());
    sheet.field("file_bytes", Cell::Bytes(source.len()));
    match form {
        Form::Segment => {
            segment::describe(&source.read(SEGMENT_BYTES_MAX.into())?, details, &mut sheet);
        }
        Form::Checkpoint => {
            state::describe(&source.read(CHECKPOINT_BYTES_MAX)?, source.named(), details, &mut sheet);
        }
        Form::Identity => identity_sheet(&source.read(MANIFEST_BYTES_MAX)?, &mut sheet),
        Form::Manifest => {
            object::manifest(&source.read(MANIFEST_BYTES_MAX)?, source.named(), details, &mut sheet);
        }
        Form::Index => object::index(&source.read(INDEX_BYTES_MAX)?, details, &mut sheet),
        Form::Data => object::data(source, details, &mut sheet)?,
        Form::Delta => object::delta(&source.read(CHECKPOINT_BYTES_MAX)?, &mut sheet),
        Form::Text => {
            let text = source.read(MANIFEST_BYTES_MAX)?;
            sheet.field("text", String::from_utf8_lossy(&text).trim_end().to_string());
        }
        Form::Torn => {
            sheet
                .notes
                .push(String::from("a copy of bytes behind the end of a log, which were never acknowledged"));
        }
    }
    Ok(sheet)
}

fn identity_sheet(bytes: &[u8], sheet: &mut Sheet) {
    match Identity::decode(bytes) {
        Ok(identity) => {
            sheet.field("cluster_id", identity.cluster_id);
            sheet.field("node_id", identity.node_id);
            sheet.field("epoch", identity.epoch);
        }
        Err(NotAnIdentity::Damaged) => {
            sheet.damage.push(String::from("its checksum does not match, or it says what cannot be"));
        }
        Err(NotAnIdentity::Newer(version)) => sheet.damage.push(newer(version)),
    }
}

fn newer(version: u32) -> String {
    format!("it cannot be read: it was written by a newer version of evenkeel (format {version})")
}
