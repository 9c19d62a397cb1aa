//! What happens, as scenes for people and tools. Nothing here changes anything, and most of it is called only if somebody looks.

use std::collections::BTreeSet;

use evenkeel_core::{
    log::group::GroupHeader,
    port::{Disk, DiskStep, FileName, Response},
    units::{ConnId, Tag},
};

use crate::{
    batch,
    disk::{Loss, SimDisk},
    ledger::{Asked, Ledger, OpNumber, PartitionKey},
    trace::{Extent, Kind, Lane, Place, Scene},
    violation::{Subject, Violation},
    world::{Exhibit, World},
};

impl World {
    /// Who is there.
    pub(super) fn introduce(&mut self) {
        for at in 0..self.clients.len() {
            let name = self.clients[at].name();
            self.note(|| Scene::new(Lane::Client(at), Kind::Cast, name));
        }
    }

    /// What the oracle is about to look at.
    pub(super) fn exhibit(&mut self, what: &str) {
        if self.story.is_wanted() {
            self.exhibit = Some(Exhibit { disk: self.disk.without_faults(), what: what.to_string() });
        }
    }

    /// The very disk that it looks at.
    pub(super) fn exhibit_disk(&mut self, disk: &SimDisk) {
        if self.story.is_wanted() {
            let what = self.exhibit.take().map_or_else(String::new, |exhibit| exhibit.what);
            self.exhibit = Some(Exhibit { disk: disk.without_faults(), what });
        }
    }

    /// It looked, and all was well.
    pub(super) fn satisfied(&mut self) {
        if let Some(exhibit) = self.exhibit.take() {
            self.note(|| Scene::new(Lane::Oracle, Kind::Check, format!("{} as promised", exhibit.what)));
        }
    }

    /// A promise is broken.
    pub(super) fn show(&mut self, violation: &Violation) {
        let ledger = &self.ledger;
        if let Some(exhibit) = &self.exhibit {
            let live = &self.disk;
            self.story.note(self.now, || looked_at(ledger, exhibit, live));
        }
        self.story.tell(self.now, &[99], || {
            let mut scene = Scene::new(Lane::Oracle, Kind::Violation, "");
            scene.text = format!("VIOLATION {}", readable(ledger, &violation.to_string()));
            scene.failed = true;
            match violation.subject {
                Some(Subject::Batch { op, key, offset }) => {
                    scene.ops.push(op);
                    scene.places.push(place(ledger, key, offset, Some(op)));
                }
                Some(Subject::Topic(id)) => {
                    scene.topic = ledger.topics.get(&id).map(|book| book.name.clone());
                }
                None => {}
            }
            scene
        });
    }
}

/// The disk that the oracle looked at when it found something: what was promised and is not on it.
fn looked_at(ledger: &Ledger, exhibit: &Exhibit, live: &SimDisk) -> Scene {
    let there = ops_on(&exhibit.disk);
    let mut scene = Scene::new(Lane::Oracle, Kind::Check, "");
    for (key, book) in &ledger.partitions {
        for (offset, (op, _)) in book.facts.iter().filter(|(_, (op, _))| !there.contains(op)) {
            scene.lost.push(*op);
            scene.places.push(place(ledger, *key, *offset, Some(*op)));
        }
    }
    let what = if exhibit.what.is_empty() { "looks at the disk." } else { &exhibit.what };
    scene.text = format!("{what} Not synced by now: {}", unsynced(live));
    scene
}

fn unsynced(disk: &SimDisk) -> String {
    let bytes = disk.unsynced().into_iter().map(|(file, sectors)| format!("{sectors} sectors of {file}"));
    let names = disk.unsynced_names().into_iter().map(|file| format!("the name {file}"));
    let all: Vec<String> = bytes.chain(names).collect();
    if all.is_empty() { String::from("nothing") } else { all.join(", ") }
}

/// Names of topics for their ids.
fn readable(ledger: &Ledger, text: &str) -> String {
    let mut text = text.to_string();
    for key in ledger.partitions.keys() {
        text = text.replace(&format!("{key:?}"), &ledger.partition_name(*key));
    }
    text
}

fn place(ledger: &Ledger, key: PartitionKey, offset: i64, op: Option<OpNumber>) -> Place {
    Place { op, partition: ledger.partition_name(key), offset }
}

/// The operations of which anything is in the log.
fn ops_on(disk: &SimDisk) -> BTreeSet<OpNumber> {
    let disk = disk.without_faults();
    let mut found = BTreeSet::new();
    for entry in disk.list().unwrap_or_default() {
        if matches!(entry.file, FileName::Segment(_)) {
            let mut bytes = vec![0; usize::try_from(entry.len).unwrap_or(0)];
            if disk.read_at(entry.file, 0, &mut bytes).is_ok() {
                found.extend(batch::ops_in(&bytes));
            }
        }
    }
    found
}

pub(super) fn power_loss(loss: &Loss, before: Option<&SimDisk>, after: &SimDisk) -> Scene {
    let unsynced = before.map_or_else(String::new, unsynced);
    let fate = match loss {
        Loss::Nothing => String::from("all had been written back"),
        Loss::Everything => String::from("none of it is left"),
        Loss::Some { kept, .. } => format!("about {} % of it is left", kept / 10),
    };
    let there = ops_on(after);
    let lost = before.map(ops_on).unwrap_or_default().into_iter().filter(|op| !there.contains(op)).collect();
    let text = format!("the power fails; not synced: {unsynced}; {fate}");
    Scene { lost, ..Scene::new(Lane::Broker, Kind::Power, text) }
}

pub(super) fn ask(ledger: &Ledger, client: usize, (conn, tag): (ConnId, Tag), asked: &Asked) -> Scene {
    let mut scene = Scene::new(Lane::Client(client), Kind::Ask, "");
    scene.question = Some((conn.0, tag.0));
    let what = match asked {
        Asked::Produce(ops) => {
            scene.ops.clone_from(ops);
            let one = |op: &OpNumber| {
                let at = ledger.op(*op).map_or_else(String::new, |op| ledger.partition_name(op.key));
                format!("batch {} to {at}", op.0)
            };
            format!("produce {}", ops.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        Asked::Fetch(key, from, ..) => format!("fetch {} from {from}", ledger.partition_name(*key)),
        Asked::Follow(followed) => {
            let one = |(key, from, _): &(_, i64, _)| format!("{} from {from}", ledger.partition_name(*key));
            let parts = followed.parts.iter().map(one).collect::<Vec<_>>().join(", ");
            format!("fetch {} with a session: {parts}", if followed.whole { "all" } else { "what changed" })
        }
        Asked::End(key, _) => format!("where does {} end?", ledger.partition_name(*key)),
        Asked::Time(key, time, _) => {
            format!("which record of {} is the first at or after {time}?", ledger.partition_name(*key))
        }
        Asked::Metadata(None) => String::from("which topics are there?"),
        Asked::Metadata(Some(name)) => {
            scene.topic = Some(name.clone());
            format!("metadata of {name}, to be created if it is not there")
        }
        Asked::Create(name) => {
            scene.topic = Some(name.clone());
            format!("create {name}")
        }
        Asked::Delete(topic) => {
            let name = ledger.topics.get(topic).map_or("?", |book| &book.name);
            scene.topic = Some(name.to_string());
            format!("delete {name} ({:.8})", topic.to_string())
        }
        Asked::ProducerId => String::from("a producer id"),
        Asked::Group(asked) => asked.to_string(),
        Asked::Admin(asked) => readable(ledger, &asked.to_string()),
    };
    scene.text = format!("client {client} asks {}.{}: {what}", conn.0, tag.0);
    scene
}

pub(super) fn arrival(conn: ConnId, tag: Tag) -> Scene {
    Scene {
        question: Some((conn.0, tag.0)),
        ..Scene::new(Lane::Broker, Kind::Arrive, format!("{}.{} reaches the broker", conn.0, tag.0))
    }
}

pub(super) fn heard(client: usize, conn: ConnId, tag: Tag) -> Scene {
    let text = format!("client {client} gets the answer to {}.{}", conn.0, tag.0);
    Scene { question: Some((conn.0, tag.0)), ..Scene::new(Lane::Client(client), Kind::Hear, text) }
}

pub(super) fn answer(ledger: &Ledger, conn: ConnId, tag: Tag, response: &Response) -> Scene {
    let mut scene = Scene::new(Lane::Broker, Kind::Answer, "");
    scene.question = Some((conn.0, tag.0));
    let what = match (response, ledger.question(conn, tag)) {
        (Response::Produce(answer), Some(Asked::Produce(ops))) => {
            let told = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
            let mut words = Vec::new();
            for (op, told) in ops.iter().zip(told) {
                if told.error_code == 0 {
                    let key = ledger.op(*op).map(|op| op.key);
                    scene.places.extend(key.map(|key| place(ledger, key, told.base_offset, Some(*op))));
                    words.push(format!("batch {} is stored at offset {}", op.0, told.base_offset));
                } else {
                    scene.failed = true;
                    words.push(format!("batch {} is refused, error {}", op.0, told.error_code));
                }
                scene.ops.push(*op);
            }
            words.join(", ")
        }
        (Response::Fetch(answer), _) if answer.error_code != 0 => {
            scene.failed = true;
            format!("fetch: error {}", answer.error_code)
        }
        (Response::Fetch(answer), _) => {
            let parts = answer.topics.iter().flat_map(|topic| {
                topic
                    .partitions
                    .iter()
                    .map(|part| (PartitionKey { topic: topic.id, index: part.index }, part))
            });
            let mut words = Vec::new();
            for (key, part) in parts {
                let bytes = part.records.concat();
                let batches = batch::split(&bytes).unwrap_or_default();
                for (header, records) in &batches {
                    let op = batch::op_of(records);
                    scene.ops.extend(op);
                    scene.places.push(place(ledger, key, header.base_offset.0, op));
                }
                scene.failed |= part.error_code != 0;
                let error =
                    if part.error_code == 0 { String::new() } else { format!(", error {}", part.error_code) };
                let count = batches.len();
                words.push(format!("{count} batches, the partition ends at {}{error}", part.high_watermark));
            }
            if words.is_empty() { String::from("nothing has changed") } else { words.join("; ") }
        }
        (response, _) => brief(response),
    };
    scene.text = format!("answers {}.{}: {what}", conn.0, tag.0);
    scene
}

pub(super) fn fault(step: &DiskStep, injected: &str) -> Scene {
    let kind = if matches!(step, DiskStep::Sync(_)) { Kind::SyncFault } else { Kind::Fault };
    let text = format!("fault: {injected}");
    Scene { failed: true, lane: Lane::Disk, kind, text, ..of_step(step) }
}

pub(super) fn step(step: &DiskStep, who: &str, failed: bool) -> Scene {
    let text = format!("{who}: {}{}", brief_step(step), if failed { " FAILS" } else { "" });
    Scene { text, failed, ..of_step(step) }
}

/// What a crash makes of the step that it falls into.
pub(super) fn interrupted(step: &DiskStep, how: &str, done: bool) -> Scene {
    let scene = of_step(step);
    let kind = if done && scene.kind == Kind::Write { Kind::Write } else { Kind::Step };
    Scene { text: format!("{how}: {}", brief_step(step)), kind, failed: !done, ..scene }
}

fn of_step(step: &DiskStep) -> Scene {
    let at = |file: FileName| Some(Extent { file, position: 0, bytes: 0 });
    let plain = Scene { lane: Lane::Disk, ..Scene::default() };
    match step {
        DiskStep::Write { file, position, data } => {
            let bytes = data.concat();
            let group = GroupHeader::decode_front(&bytes);
            Scene {
                kind: Kind::Write,
                ops: batch::ops_in(&bytes),
                lsns: group.map(|(header, _)| (header.first.0, header.upto().0)),
                extent: Some(Extent { file: *file, position: *position, bytes: bytes.len() as u64 }),
                ..plain
            }
        }
        DiskStep::Sync(file) => Scene { kind: Kind::Sync, extent: at(*file), ..plain },
        DiskStep::SyncDirectory => Scene { kind: Kind::Sync, ..plain },
        DiskStep::Rename { from, to } => {
            Scene { kind: Kind::Rename, extent: at(*from), renamed: Some(*to), ..plain }
        }
        DiskStep::Create(file) => Scene { kind: Kind::Create, extent: at(*file), ..plain },
        DiskStep::Zero { file, len } | DiskStep::Reserve { file, len } => Scene {
            kind: Kind::Write,
            extent: Some(Extent { file: *file, position: 0, bytes: *len }),
            ..plain
        },
        DiskStep::Remove(file) | DiskStep::Release { file, .. } => {
            Scene { kind: Kind::Remove, extent: at(*file), ..plain }
        }
        DiskStep::Read(file) | DiskStep::ReadAt { file, .. } | DiskStep::ReadBatches { file, .. } => {
            Scene { extent: at(*file), ..plain }
        }
        DiskStep::Scan(order) => Scene { extent: at(order.file), ..plain },
        DiskStep::List | DiskStep::Space => plain,
    }
}

pub(crate) fn brief_step(step: &DiskStep) -> String {
    match step {
        DiskStep::Write { file, position, data } => {
            let len: usize = data.iter().map(bytes::Bytes::len).sum();
            format!("write {len} bytes at {position} of {file}")
        }
        DiskStep::Sync(file) => format!("sync {file}"),
        DiskStep::Create(file) => format!("create {file}"),
        DiskStep::Remove(file) => format!("remove {file}"),
        DiskStep::Rename { from, to } => format!("rename {from} to {to}"),
        DiskStep::Zero { file, len } => format!("zero {file} to {len}"),
        DiskStep::Reserve { file, len } => format!("reserve {file} to {len}"),
        DiskStep::Release { file, from } => format!("release {file} from {from}"),
        DiskStep::Read(file) => format!("read {file}"),
        DiskStep::ReadAt { file, position, len } => format!("read {len} bytes at {position} of {file}"),
        DiskStep::ReadBatches { file, batches } => format!("read {} batches of {file}", batches.len()),
        DiskStep::Scan(order) => format!("scan {}", order.file),
        DiskStep::List => String::from("list"),
        DiskStep::Space => String::from("space"),
        DiskStep::SyncDirectory => String::from("sync directory"),
    }
}

pub(crate) fn brief(response: &Response) -> String {
    match response {
        Response::Produce(answer) => format!("produce: {} topics", answer.responses.len()),
        Response::Fetch(answer) => format!("fetch: {} topics", answer.topics.len()),
        Response::Silence => String::from("silence"),
        Response::ListOffsets(_) => String::from("offsets"),
        Response::Metadata(answer) => format!("metadata of {} topics", answer.topics.len()),
        Response::CreateTopics(answer) => {
            done("creation", answer.topics.first().map(|topic| topic.error_code))
        }
        Response::DeleteTopics(answer) => {
            done("deletion", answer.responses.first().map(|topic| topic.error_code))
        }
        Response::InitProducerId(answer) => format!("producer id {}", answer.producer_id.0),
        Response::FindCoordinator(_) => String::from("coordinator"),
        Response::DescribeCluster(_) => String::from("cluster"),
        Response::OffsetForLeaderEpoch(_) => String::from("epoch end"),
        Response::Group(answer) => format!("{answer:?}"),
        Response::Admin(answer) => format!("{answer:?}"),
    }
}

fn done(what: &str, error: Option<i16>) -> String {
    match error {
        Some(0) => format!("{what}: done"),
        Some(error) => format!("{what}: error {error}"),
        None => format!("{what}: no result"),
    }
}
