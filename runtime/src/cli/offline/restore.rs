//! `evenkeel restore --dry-run`: what a start with an empty data directory would recover, by the code that it would run.

use std::{collections::BTreeMap, process::ExitCode};

use clap::Args;
use evenkeel_core::{
    Config,
    config::StoreConfig,
    limits::{CHECKPOINT_BYTES_MAX, INDEX_BYTES_MAX},
    log::recovery::{Restoration, Restored},
    partition::Partition,
    port::{ObjectError, ObjectErrorKind, ObjectKind, ObjectReply, ObjectRequest, ObjectStore},
    state::State,
    store::{self, DataRef, ObjectKey, check_order, read_index, read_manifest, read_state},
    units::PartitionId,
};

use super::{
    super::{failure::Failure, output::Output},
    Ended, run,
    sheet::{Cell, Rows, Sheet, age, now},
    store::Stored,
    survey::{Nowhere, survey},
};
use crate::settings::StoreFlags;

/// Tell what a start with an empty data directory would recover from the object store.
///
/// A restore is a start: `evenkeel serve` with an empty data directory and the store takes what this tells of.
#[derive(Clone, Debug, Args)]
#[command(
    mut_args(|argument| argument.hide(false)),
    after_help = "Nothing is written, and the broker that uses the store may be running. The manifest, the lists and the state are read and \
verified; of data objects it is checked that they are there. `evenkeel verify` reads them.\n\n\
Examples:\n  \
evenkeel restore --dry-run --object-store s3://bucket/prefix\n  \
evenkeel serve --data-dir /var/lib/evenkeel --object-store s3://bucket/prefix      # the real one, if the directory is empty\n\n\
JSON: an object with its fields, partition_list, groups and committed_offsets as lists of objects, notes and damage as lists of texts.\n\n\
Exit codes: 0 it can be restored; 1 wrong usage, the store cannot be read, or nothing is stored; 2 something that is needed is damaged \
or missing."
)]
pub struct Restore {
    /// Only tell. There is no other way to use this command.
    #[arg(long, required = true)]
    dry_run: bool,

    /// Print JSON.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    store: StoreFlags,
}

impl Restore {
    /// Runs it.
    #[must_use]
    pub fn run(self) -> ExitCode {
        run(|output, ended| self.look(output, ended))
    }

    fn look(self, output: &mut Output, ended: &mut Ended) -> Result<(), Failure> {
        let store = Stored::open(&self.store, None)?.ok_or_else(|| {
            Failure::Wrong(String::from("from where? --object-store URL, or --s3-bucket NAME"))
        })?;
        let mut sheet = Sheet::default();
        sheet.field("object_store", store.place.to_string());
        match needed(&store) {
            Ok(None) => {
                return Err(Failure::Wrong(format!(
                    "there is no manifest in {}: a start with an empty data directory would begin a new cluster",
                    store.place
                )));
            }
            Ok(Some(restoration)) => {
                let missing = missing(&store, &restoration.from);
                sheet.damage = missing.map_err(|error| Failure::Wrong(error.to_string()))?;
                describe(restoration, &mut sheet);
            }
            Err(error) => match error.kind {
                ObjectErrorKind::NotFound | ObjectErrorKind::Damaged => {
                    sheet.damage.push(format!("a start would be refused: {error}"));
                }
                ObjectErrorKind::Exists | ObjectErrorKind::Denied | ObjectErrorKind::Unknown => {
                    return Err(Failure::Wrong(error.to_string()));
                }
            },
        }
        *ended = if sheet.damage.is_empty() { Ended::Well } else { Ended::Damaged };
        if self.json { output.json(&sheet.json()) } else { sheet.print(output) }
    }
}

/// What a start reads: the newest manifest, the state and the lists that it refers to.
fn needed(store: &Stored) -> Result<Option<Restoration>, ObjectError> {
    let ObjectReply::Manifest(newest) = store::perform(store, &ObjectRequest::NewestManifest)? else {
        unreachable!("the newest manifest was asked for")
    };
    let Some((number, bytes)) = newest else { return Ok(None) };
    let manifest = read_manifest(number, &bytes)?;
    let states = manifest.states().map(|told| store.read(ObjectKey::State(told.name), CHECKPOINT_BYTES_MAX));
    let state = read_state(&manifest, &states.collect::<Result<Vec<_>, _>>()?)?;
    let mut indexes = Vec::new();
    for told in &manifest.indexes {
        indexes.push(read_index(told, &store.read(ObjectKey::Index(told.name), INDEX_BYTES_MAX)?)?);
    }
    check_order(&manifest, &indexes)?;
    Ok(Some(Restoration { state, from: Restored { manifest, indexes } }))
}

fn data_objects(from: &Restored) -> impl Iterator<Item = &DataRef> {
    from.indexes.iter().flat_map(|index| &index.objects).chain(&from.manifest.tail)
}

/// Data objects that are not there, or not as large as they should be. A start does not notice; whoever reads their records does.
fn missing(store: &Stored, from: &Restored) -> Result<Vec<String>, ObjectError> {
    let listed = store.list(ObjectKind::Data, None)?;
    let listed: BTreeMap<ObjectKey, u64> = listed.iter().map(|entry| (entry.key, entry.len)).collect();
    let wrong = data_objects(from).filter_map(|data| {
        let key = ObjectKey::Data(data.object.name);
        match listed.get(&key) {
            None => Some(format!("{key}: there is no such object, and it is referred to")),
            Some(len) if *len != data.object.len => {
                Some(format!("{key}: it has {len} bytes, what refers to it says {}", data.object.len))
            }
            Some(_) => None,
        }
    });
    Ok(wrong.collect())
}

fn describe(restoration: Restoration, sheet: &mut Sheet) {
    let manifest = &restoration.from.manifest;
    sheet.field("manifest", manifest.number);
    sheet.field("cluster_id", &manifest.cluster_id[..]);
    sheet.field("node_id", manifest.node_id);
    sheet.field("committed_in_epoch", manifest.epoch);
    sheet.field("cut_lsn", manifest.cut);
    sheet.field("cut_at", manifest.cut_at);
    sheet.field("age", age(manifest.cut_at, now()));
    sheet.notes.push(format!(
        "what was acknowledged behind LSN {} is not in the store and would be lost",
        manifest.cut
    ));
    let (mut objects, mut object_bytes) = (0_u64, 0);
    let mut bytes: BTreeMap<PartitionId, u64> = BTreeMap::new();
    for data in data_objects(&restoration.from) {
        objects += 1;
        object_bytes = data.object.len.saturating_add(object_bytes);
        for part in &data.parts {
            let sum = bytes.entry(part.partition).or_default();
            *sum = sum.saturating_add(part.bytes);
        }
    }
    let state = restoration.state.clone();
    let config =
        Config { node_id: manifest.node_id, store: Some(StoreConfig::default()), ..Config::default() };
    let found = survey(&Nowhere, config, Some(restoration));
    let begun = found.verdict().map(|(_, recovered)| &recovered.state);
    if let Some(refusal) = &found.refusal {
        sheet.damage.push(refusal.to_string());
    }
    sheet.field("next_epoch", begun.map(|begun| begun.epoch));
    sheet.field("next_producer_id", begun.map(|begun| begun.producer_ids_upto.0));
    sheet.field("data_objects", objects);
    sheet.field("data_bytes", Cell::Bytes(object_bytes));
    sheet.field("topics", state.topics().count());
    sheet.field("partitions", state.partition_count());
    sheet.field("producers", state.partitions().map(|partition| partition.producers.len()).sum::<usize>());
    sheet.field("consumer_groups", state.group_count());
    sheet.table(partitions(&state, begun, &bytes));
    sheet.table(groups(&state));
    sheet.table(offsets(&state));
}

fn partitions(state: &State, begun: Option<&State>, bytes: &BTreeMap<PartitionId, u64>) -> Rows {
    let columns = ["topic", "partition", "log_start", "log_end", "bytes", "goes_on_at"];
    let mut rows = Rows::new("partition_list", &columns);
    for topic in state.topics() {
        for partition in topic.partition_ids().filter_map(|id| state.partition(id)) {
            let then = begun.and_then(|begun| begun.partition(partition.id));
            rows.row([
                Cell::from(topic.name()),
                Cell::from(partition.index),
                Cell::from(partition.log_start),
                Cell::from(partition.log_end),
                Cell::Bytes(bytes.get(&partition.id).copied().unwrap_or(0)),
                Cell::from(then.map(Partition::next_offset)),
            ]);
        }
    }
    rows
}

fn groups(state: &State) -> Rows {
    let mut rows = Rows::new("groups", &["group", "generation", "members", "committed_offsets"]);
    for (id, group) in state.groups() {
        rows.row([
            Cell::from(id),
            Cell::from(group.generation),
            Cell::from(group.members.len()),
            Cell::from(group.offsets.len()),
        ]);
    }
    rows
}

fn offsets(state: &State) -> Rows {
    let columns = ["group", "topic", "partition", "committed", "log_end", "committed_at"];
    let mut rows = Rows::new("committed_offsets", &columns);
    for (id, group) in state.groups() {
        for (partition, (at, told)) in &group.offsets {
            let Some(partition) = state.partition(*partition) else { continue };
            rows.row([
                Cell::from(id),
                Cell::from(state.topic(partition.topic).map(|topic| topic.name())),
                Cell::from(partition.index),
                Cell::from(told.offset),
                Cell::from(partition.log_end),
                Cell::from(*at),
            ]);
        }
    }
    rows
}
