//! `evenkeel verify`: every checksum and every reference of a data directory, of an object store, and between the two.

mod directory;
mod objects;
mod offsets;

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{
    super::{failure::Failure, json::Json, output::Output},
    Ended,
    findings::{Findings, Matter},
    run,
    sheet::Sheet,
    store::Stored,
};
use crate::{object::StorePlace, settings::StoreFlags};

/// Check every checksum and every reference of a data directory and of an object store.
///
/// A data directory is judged as a start would judge it: a torn end, which was never acknowledged, is told apart from damage. Of a
/// store everything that the newest manifest refers to is read. Given both, it is checked that they belong together. A store
/// within the data directory is read without being named.
#[derive(Clone, Debug, Args)]
#[command(
    mut_args(|argument| argument.hide(false)),
    after_help = "Nothing is written. No broker may run on the data directory meanwhile; one may use the store.\n\n\
Examples:\n  \
evenkeel verify --data-dir /var/lib/evenkeel\n  \
evenkeel verify --object-store s3://bucket/prefix --json\n\n\
JSON: an object with verdict (clean, damaged, unreadable), directory and store (what was read; null if there is none), and findings, \
a list of objects with matter (damaged, missing, unreadable, note), in (the file, object or partition) and what.\n\n\
Exit codes: 0 all is well; 1 wrong usage, or something cannot be read; 2 something is damaged or missing."
)]
pub struct Verify {
    /// The data directory.
    #[arg(long, env = "EVENKEEL_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Print JSON.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    store: StoreFlags,
}

impl Verify {
    /// Runs it.
    #[must_use]
    pub fn run(self) -> ExitCode {
        run(|output, ended| self.look(output, ended))
    }

    fn look(self, output: &mut Output, ended: &mut Ended) -> Result<(), Failure> {
        let within =
            self.data_dir.as_deref().filter(|path| StorePlace::is_within(path)).map(StorePlace::within);
        let stored = Stored::open(&self.store, within)?;
        if self.data_dir.is_none() && stored.is_none() {
            return Err(Failure::Wrong(String::from(
                "what is to be verified? --data-dir DIR, --object-store URL, or both",
            )));
        }
        let mut findings = Findings::default();
        let directory = self.data_dir.as_deref().map(|path| directory::verify(path, &mut findings));
        let directory = directory.transpose()?;
        let store = stored.as_ref().map(|store| objects::verify(store, &mut findings));
        if let (Some(directory), Some(store)) = (&directory, &store) {
            belong_together(directory, store, &mut findings);
        }
        let sheets =
            [directory.as_ref().map(|directory| &directory.sheet), store.as_ref().map(|store| &store.sheet)];
        *ended = findings.ended();
        if self.json {
            let verdict = match *ended {
                Ended::Well => "clean",
                Ended::Unreadable => "unreadable",
                Ended::Damaged => "damaged",
            };
            let [directory, store] = sheets.map(|sheet| sheet.map_or(Json::Null, Sheet::fields_json));
            return output.json(&Json::object([
                ("verdict", Json::from(verdict)),
                ("directory", directory),
                ("store", store),
                ("findings", findings.json()),
            ]));
        }
        for sheet in sheets.into_iter().flatten() {
            sheet.print_fields(output)?;
            output.line("")?;
        }
        findings.print(output)?;
        output.line(match *ended {
            Ended::Well => "all is well",
            Ended::Unreadable => "not everything could be read",
            Ended::Damaged => "there is damage",
        })
    }
}

/// What is asked of a directory and its store: what a broker checks before it goes on with both.
fn belong_together(directory: &directory::Directory, store: &objects::Store, findings: &mut Findings) {
    let (Some(known), Some(manifest)) = (&directory.known, &store.manifest) else { return };
    let link = &known.store;
    let mut wrong = |what: String| findings.add(Matter::Damaged, "data directory and object store", what);
    if known.cluster_id != manifest.cluster_id {
        wrong(format!(
            "the directory belongs to cluster {}, the store to {}",
            known.cluster_id, manifest.cluster_id
        ));
        return;
    }
    if link.manifest > manifest.number {
        wrong(format!(
            "the directory knows of manifest {}, the newest in the store is {}: the store has lost objects",
            link.manifest, manifest.number
        ));
    }
    let restored = manifest.lineage == link.from && manifest.number == link.restored_from;
    if manifest.lineage == link.lineage {
        if manifest.cut > known.next {
            wrong(format!(
                "the store holds the log up to LSN {}, the directory only up to {}: it is an old copy",
                manifest.cut, known.next
            ));
        }
    } else if !restored {
        wrong(format!(
            "manifest {} was committed from another data directory, by node {} in epoch {}: that one stands for the cluster now",
            manifest.number, manifest.node_id, manifest.epoch
        ));
    }
}
