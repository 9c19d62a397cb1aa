//! An object store: everything that the newest manifest refers to, object by object.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::{
    limits::{CHECKPOINT_BYTES_MAX, INDEX_BYTES_MAX, MANIFEST_BYTES_MAX},
    port::{ObjectEntry, ObjectError, ObjectErrorKind, ObjectKind, ObjectStore},
    state::State,
    store::{
        DataRef, Manifest, ObjectKey, StoredPart,
        data::{FRONT_BYTES, Footer, FooterPart, MAGIC, TRAILER_BYTES},
        read_footer, read_index, read_manifest, read_state,
    },
    units::{Offset, PartitionId},
};

use super::{
    super::{
        Ended, batches,
        findings::{Findings, Matter},
        sheet::{Cell, Sheet},
        store::Stored,
    },
    offsets,
};

/// What was found.
pub(super) struct Store {
    pub(super) sheet: Sheet,
    /// The newest that can be read.
    pub(super) manifest: Option<Manifest>,
    /// A broker has committed a newer one meanwhile.
    outdated: bool,
}

/// What was counted on the way.
#[derive(Default)]
struct Tally {
    objects: u64,
    bytes: u64,
    batches: u64,
    records: u64,
    /// By partition, in the order in which they are referred to.
    ranges: BTreeMap<PartitionId, Vec<(Offset, Offset)>>,
}

/// Looks at a store that a broker goes on with.
const LOOKS: u32 = 3;

/// Verifies a store. A broker may remove what its next manifest refers to no more: then all is looked at anew.
pub(super) fn verify(store: &Stored, findings: &mut Findings) -> Store {
    for look_number in 1..=LOOKS {
        let mut found = Findings::default();
        let looked = look(store, &mut found);
        if !looked.outdated || found.ended() == Ended::Well {
            findings.extend(found);
            return looked;
        }
        if look_number == LOOKS {
            let what = "a broker goes on with it faster than it can be read: what is missing may have been removed since";
            findings.add(Matter::Unreadable, "object store", what);
            return looked;
        }
    }
    unreachable!("the last look is an answer")
}

fn look(store: &Stored, findings: &mut Findings) -> Store {
    let mut sheet = Sheet::default();
    sheet.field("object_store", store.place.to_string());
    let listed = match list(store) {
        Ok(listed) => listed,
        Err(error) => {
            findings.object(&error);
            return Store { sheet, manifest: None, outdated: false };
        }
    };
    let manifest = manifests(store, &listed, findings);
    if let Some(manifest) = &manifest {
        describe(store, manifest, &listed, &mut sheet, findings);
    }
    // By now the next one may be gone again.
    let newest = |keys: &mut dyn Iterator<Item = ObjectKey>| keys.filter(is_manifest).max();
    let outdated = match store.list(ObjectKind::Manifest, None) {
        Ok(now) => newest(&mut now.iter().map(|entry| entry.key)) > newest(&mut listed.keys().copied()),
        Err(error) => {
            findings.object(&error);
            false
        }
    };
    Store { sheet, manifest, outdated }
}

fn is_manifest(key: &ObjectKey) -> bool {
    matches!(key, ObjectKey::Manifest(_))
}

/// All objects and their sizes.
fn list(store: &Stored) -> Result<BTreeMap<ObjectKey, u64>, ObjectError> {
    let mut listed = BTreeMap::new();
    for kind in
        [ObjectKind::Manifest, ObjectKind::Data, ObjectKind::State, ObjectKind::Index, ObjectKind::Probe]
    {
        let entries = store.list(kind, None)?;
        listed.extend(entries.into_iter().map(|ObjectEntry { key, len }| (key, len)));
    }
    Ok(listed)
}

/// Reads all manifests. Returns the newest that can be read: if it is not the newest, the rest tells what is left.
fn manifests(store: &Stored, listed: &BTreeMap<ObjectKey, u64>, findings: &mut Findings) -> Option<Manifest> {
    let numbers = listed.keys().filter_map(|key| match key {
        ObjectKey::Manifest(number) => Some(*number),
        ObjectKey::Data(_) | ObjectKey::State(_) | ObjectKey::Index(_) | ObjectKey::Probe(_) => None,
    });
    let numbers: Vec<u64> = numbers.collect();
    let last = numbers.last().copied();
    if numbers.is_empty() {
        let others = listed.keys().filter(|key| !matches!(key, ObjectKey::Probe(_))).count();
        if others > 0 {
            let what = format!("there is none, but {others} other objects are there");
            findings.add(Matter::Missing, "manifest", what);
        } else {
            let what = "there is none: nothing was ever stored there, or it is another place";
            findings.add(Matter::Unreadable, "manifest", what);
        }
    }
    for pair in numbers.windows(2).filter(|pair| pair[0] + 1 != pair[1]) {
        let what = "it is not there, and those around it are; nothing needs it";
        findings.add(Matter::Note, ObjectKey::Manifest(pair[0] + 1), what);
    }
    let mut newest = None;
    for number in numbers {
        let bytes = store.read(ObjectKey::Manifest(number), MANIFEST_BYTES_MAX);
        match bytes.and_then(|bytes| read_manifest(number, &bytes)) {
            Ok(manifest) => newest = Some(manifest),
            // An old one that goes while it is looked at is not missed.
            Err(error) if error.kind == ObjectErrorKind::NotFound && Some(number) != last => {}
            Err(error) => findings.object(&error),
        }
    }
    newest
}

fn describe(
    store: &Stored,
    manifest: &Manifest,
    listed: &BTreeMap<ObjectKey, u64>,
    sheet: &mut Sheet,
    findings: &mut Findings,
) {
    sheet.field("cluster_id", &manifest.cluster_id[..]);
    sheet.field("node_id", manifest.node_id);
    sheet.field("epoch", manifest.epoch);
    sheet.field("manifest", manifest.number);
    sheet.field("cut_lsn", manifest.cut);
    sheet.field("cut_at", manifest.cut_at);
    let mut referred = BTreeSet::new();
    let mut tally = Tally::default();
    for index in &manifest.indexes {
        let key = ObjectKey::Index(index.name);
        referred.insert(key);
        let bytes = store.read(key, INDEX_BYTES_MAX);
        match bytes.and_then(|bytes| read_index(index, &bytes)) {
            Ok(index) => {
                for data in &index.objects {
                    referred.insert(ObjectKey::Data(data.object.name));
                    data_object(store, manifest, data, listed, &mut tally, findings);
                }
            }
            Err(error) => findings.object(&error),
        }
    }
    for data in &manifest.tail {
        referred.insert(ObjectKey::Data(data.object.name));
        data_object(store, manifest, data, listed, &mut tally, findings);
    }
    sheet.field("indexes", manifest.indexes.len());
    sheet.field("data_objects", tally.objects);
    sheet.field("data_bytes", Cell::Bytes(tally.bytes));
    sheet.field("batches", tally.batches);
    sheet.field("records", tally.records);
    let states: Vec<ObjectKey> = manifest.states().map(|told| ObjectKey::State(told.name)).collect();
    let read: Result<Vec<_>, _> = states.iter().map(|key| store.read(*key, CHECKPOINT_BYTES_MAX)).collect();
    match read.and_then(|objects| read_state(manifest, &objects)) {
        Ok(state) if manifest.state.is_some() => describe_state(&state, &tally, sheet, findings),
        Ok(_) => {}
        Err(error) => findings.object(&error),
    }
    referred.extend(states);
    let others = listed.iter().filter(|(key, _)| match key {
        ObjectKey::Manifest(_) => false,
        ObjectKey::Data(_) | ObjectKey::State(_) | ObjectKey::Index(_) | ObjectKey::Probe(_) => {
            !referred.contains(key)
        }
    });
    let (count, bytes) = others.fold((0_u64, 0), |(count, bytes), (_, len)| (count + 1, bytes + len));
    sheet.field("unreferenced_objects", count);
    sheet.field("unreferenced_bytes", Cell::Bytes(bytes));
}

fn describe_state(state: &State, tally: &Tally, sheet: &mut Sheet, findings: &mut Findings) {
    sheet.field("topics", state.topics().count());
    sheet.field("partitions", state.partition_count());
    sheet.field("consumer_groups", state.group_count());
    for topic in state.topics() {
        for partition in topic.partition_ids().filter_map(|id| state.partition(id)) {
            let ranges = tally.ranges.get(&partition.id).map_or(&[][..], |ranges| ranges);
            for what in offsets::check(partition, ranges) {
                findings.add(Matter::Missing, format!("{}-{}", topic.name(), partition.index), what);
            }
        }
    }
}

/// One data object, all of it.
fn data_object(
    store: &Stored,
    manifest: &Manifest,
    data: &DataRef,
    listed: &BTreeMap<ObjectKey, u64>,
    tally: &mut Tally,
    findings: &mut Findings,
) {
    for part in &data.parts {
        tally.ranges.entry(part.partition).or_default().push((part.first, part.end));
    }
    let key = ObjectKey::Data(data.object.name);
    match listed.get(&key) {
        Some(len) if *len == data.object.len => {}
        Some(len) => {
            let what = format!("it has {len} bytes, what refers to it says {}", data.object.len);
            return findings.add(Matter::Damaged, key, what);
        }
        None => return findings.add(Matter::Missing, key, "there is no such object, and it is referred to"),
    }
    tally.objects += 1;
    tally.bytes += data.object.len;
    if let Err(error) = read(store, manifest, data, tally, findings) {
        findings.object(&error);
    }
}

fn read(
    store: &Stored,
    manifest: &Manifest,
    data: &DataRef,
    tally: &mut Tally,
    findings: &mut Findings,
) -> Result<(), ObjectError> {
    let (key, object) = (ObjectKey::Data(data.object.name), &data.object);
    let mut wrong = |what: String| findings.add(Matter::Damaged, key, what);
    if store.read_at(key, 0, FRONT_BYTES)?[..] != MAGIC {
        wrong(String::from("byte 0: it does not begin as a data object does"));
    }
    let trailer = store.read_at(key, object.len - TRAILER_BYTES, TRAILER_BYTES)?;
    if Footer::trailer(&trailer) != Ok((object.footer_len, object.footer_crc)) {
        wrong(format!("byte {}: it does not end as a data object does", object.len - TRAILER_BYTES));
    }
    let footer = read_footer(store, object)?;
    let told: Vec<StoredPart> = footer.parts.iter().filter_map(FooterPart::told).collect();
    if told != data.parts {
        wrong(String::from("it holds other offsets than what refers to it says"));
    }
    if footer.cluster_id != manifest.cluster_id {
        wrong(format!("it belongs to cluster {}", footer.cluster_id));
    }
    if footer.cut > manifest.cut {
        wrong(format!("it was written for the cut at LSN {}, the newest is {}", footer.cut, manifest.cut));
    }
    let bytes: u64 = footer.parts.iter().map(FooterPart::bytes).sum();
    if FRONT_BYTES + bytes != object.footer_at() {
        wrong(format!(
            "its batches have {bytes} bytes, and it has room for {}",
            object.footer_at() - FRONT_BYTES
        ));
    }
    batches::each(
        &footer,
        object.footer_at(),
        |from, len| store.read_at(key, from, len),
        |batch| match &batch.header {
            Ok(header) => {
                tally.batches += 1;
                tally.records += u64::try_from(header.record_count).unwrap_or(0);
            }
            Err(why) => wrong(format!(
                "byte {}: the batch at offset {} of partition {}: {why}",
                batch.at, batch.told.base_offset, batch.part.partition
            )),
        },
    )
}
