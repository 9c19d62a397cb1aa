//! What the broker wrote to its log, in order of LSN, taken down beside the disk: what a recovery must give a prefix of.

mod known;

use std::collections::BTreeMap;

use evenkeel_core::{
    codec::Reader,
    limits::BLOCK_BYTES,
    log::{
        entry::{Entry, Head},
        group::{GROUP_HEADER_BYTES, GroupHeader},
        segment::SEGMENT_MAGIC,
    },
    state::State,
    units::{Epoch, Lsn, Offset, PartitionId},
};

use self::known::Fold;
pub use self::known::{Known, KnownGroup, KnownMember, KnownOffset, KnownTopic};

/// The record batches of each partition of each topic, as a consumer gets them.
pub type Contents = BTreeMap<String, Vec<Vec<u8>>>;

/// The log as it was written.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    records: Vec<Record>,
}

#[derive(Clone, Debug, PartialEq)]
struct Record {
    entry: Entry,
    body: Vec<u8>,
}

impl Truth {
    /// LSN behind the last record.
    #[must_use]
    pub fn upto(&self) -> Lsn {
        Lsn(self.records.len() as u64)
    }

    /// Takes down one write to a segment. A start decides where the log ended before it: never below `durable`.
    ///
    /// # Panics
    /// The write is not what a log may hold next: a finding.
    pub fn written(&mut self, bytes: &[u8], durable: Lsn) {
        let mut rest = bytes;
        if rest.starts_with(&SEGMENT_MAGIC) {
            rest = &rest[BLOCK_BYTES as usize..];
        }
        while !rest.is_empty() {
            let (header, _) = GroupHeader::decode_front(rest).expect("what is written can be read");
            let front_len = header.front_len() as usize;
            let mut heads = Reader::new(&rest[GROUP_HEADER_BYTES..front_len]);
            let mut bodies = &rest[front_len..];
            for lsn in (header.first.0..header.upto().0).map(Lsn) {
                let head = Head::decode(&mut heads).expect("what is written can be read");
                let (body, behind) = bodies.split_at(head.body_len() as usize);
                bodies = behind;
                let entry = match head {
                    Head::Whole(entry) => entry,
                    Head::Append(append) => Entry::Append(append.verify(body).expect("a valid batch")),
                };
                self.record(lsn, Record { entry, body: body.to_vec() }, durable);
            }
            rest = &rest[header.padded_len() as usize..];
        }
    }

    fn record(&mut self, lsn: Lsn, record: Record, durable: Lsn) {
        let at = usize::try_from(lsn.0).expect("short logs");
        // One that is there already is copied by a recovery, together with the group it is in.
        if matches!(record.entry, Entry::Started { .. }) && self.records.get(at) != Some(&record) {
            assert!(lsn >= durable, "a start at LSN {lsn} cuts what was durable up to {durable}");
            self.records.truncate(at);
        }
        match self.records.get(at) {
            Some(known) => assert_eq!(*known, record, "LSN {lsn} has two meanings"),
            None => {
                assert_eq!(self.upto(), lsn, "the log has a gap");
                self.records.push(record);
            }
        }
    }

    fn entries(&self, upto: Lsn) -> impl Iterator<Item = (Lsn, &Record)> {
        (0..upto.0).map(Lsn).zip(&self.records)
    }

    /// The state after all records below `upto`.
    #[must_use]
    pub fn state(&self, upto: Lsn) -> State {
        let mut state = State::default();
        for (lsn, record) in self.entries(upto) {
            state.apply(lsn, &record.entry);
        }
        state
    }

    /// The newest start below `upto`.
    #[must_use]
    pub fn epoch(&self, upto: Lsn) -> Epoch {
        self.entries(upto)
            .filter_map(|(_, record)| match &record.entry {
                Entry::Started { epoch, .. } => Some(*epoch),
                Entry::Append(_)
                | Entry::TopicCreated(_)
                | Entry::TopicDeleted { .. }
                | Entry::ProducerIdsReserved { .. }
                | Entry::ProducersExpired { .. }
                | Entry::Trimmed { .. }
                | Entry::LineageBegun { .. }
                | Entry::CutStored { .. }
                | Entry::PartitionsAdded { .. }
                | Entry::ConfigsChanged { .. }
                | Entry::RecordsDeleted { .. }
                | Entry::Group(_) => None,
            })
            .max()
            .unwrap_or_default()
    }

    /// What consumers find after all records below `upto`. Made from the records alone, not with the broker's state.
    #[must_use]
    pub fn contents(&self, upto: Lsn) -> Contents {
        let ids = |first: PartitionId, count: u32| (first.0..first.0 + count).map(PartitionId);
        let mut topics = BTreeMap::new();
        let mut partitions: BTreeMap<PartitionId, Vec<(Offset, &[u8])>> = BTreeMap::new();
        for (_, record) in self.entries(upto) {
            match &record.entry {
                Entry::TopicCreated(topic) => {
                    let each: Vec<PartitionId> = ids(topic.first_partition, topic.partitions).collect();
                    topics.insert(topic.id, (&topic.name, each));
                }
                Entry::PartitionsAdded { topic, first_partition, partitions } => {
                    if let Some((_, each)) = topics.get_mut(topic) {
                        each.extend(ids(*first_partition, *partitions));
                    }
                }
                Entry::RecordsDeleted { partition, log_start } => {
                    if let Some(batches) = partitions.get_mut(partition) {
                        batches.retain(|(last, _)| last >= log_start);
                    }
                }
                Entry::TopicDeleted { id } => drop(topics.remove(id)),
                Entry::Append(append) => {
                    let batches = partitions.entry(append.partition).or_default();
                    batches.push((append.header.last_offset(), &record.body));
                }
                Entry::Started { .. }
                | Entry::ProducerIdsReserved { .. }
                | Entry::ProducersExpired { .. }
                | Entry::Trimmed { .. }
                | Entry::LineageBegun { .. }
                | Entry::CutStored { .. }
                | Entry::ConfigsChanged { .. }
                | Entry::Group(_) => {}
            }
        }
        topics
            .into_values()
            .map(|(name, each)| {
                let bytes = |id| {
                    let batches = partitions.remove(&id).unwrap_or_default();
                    batches.iter().flat_map(|(_, body)| body.iter().copied()).collect()
                };
                (name.clone(), each.into_iter().map(bytes).collect())
            })
            .collect()
    }

    /// Topics and groups after all records below `upto`. Made from the records alone, not with the broker's state.
    #[must_use]
    pub fn known(&self, upto: Lsn) -> Known {
        let mut fold = Fold::default();
        self.entries(upto).for_each(|(_, record)| fold.take(&record.entry));
        fold.known()
    }

    /// Whether that was so at some LSN from `from` up to `last`, both included.
    #[must_use]
    pub fn was(&self, from: Lsn, last: Lsn, so: impl Fn(&Known) -> bool) -> bool {
        let mut fold = Fold::default();
        let mut here = Lsn(0);
        for (lsn, record) in self.entries(last) {
            if lsn >= from && so(&fold.known()) {
                return true;
            }
            fold.take(&record.entry);
            here = lsn.plus(1);
        }
        here >= from && so(&fold.known())
    }

    /// The LSN of the record that holds exactly this batch, as it is stored.
    #[must_use]
    pub fn find(&self, body_starts: &[u8], records: &[u8]) -> Option<Lsn> {
        (0..).map(Lsn).zip(&self.records).find_map(|(lsn, record)| {
            (record.body.starts_with(body_starts) && record.body.ends_with(records)).then_some(lsn)
        })
    }
}

#[cfg(test)]
impl Truth {
    /// A log of these entries, without bodies.
    pub(crate) fn of(entries: Vec<Entry>) -> Truth {
        let record = |entry| Record { entry, body: Vec::new() };
        Truth { records: entries.into_iter().map(record).collect() }
    }

    /// Whether an entry of that name was written.
    pub(crate) fn holds(&self, name: &str) -> bool {
        self.records.iter().any(|record| {
            if let Entry::Group(change) = &record.entry {
                format!("{:?}", change.what).starts_with(name)
            } else {
                format!("{:?}", record.entry).starts_with(name)
            }
        })
    }

    /// Changes the newest entry that can be changed so: the log says another thing than the broker was told.
    pub(crate) fn falsify(&mut self, change: impl FnMut(&mut Entry) -> bool) {
        let mut entries = self.records.iter_mut().rev().map(|record| &mut record.entry);
        assert!(entries.any(change), "there is such an entry");
    }

    /// Changes one byte of the last batch's number, and its checksum with it.
    pub(crate) fn spoil(&mut self) {
        use evenkeel_core::wire::batch::CRC_COVERS_FROM;
        let record =
            self.records.iter_mut().rfind(|record| !record.body.is_empty()).expect("there is a batch");
        let last = record.body.len() - 1;
        record.body[last] ^= 1;
        let crc = crc32c::crc32c(&record.body[CRC_COVERS_FROM..]);
        record.body[17..21].copy_from_slice(&crc.to_be_bytes());
    }
}
