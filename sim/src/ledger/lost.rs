//! A loss that is announced: the world goes on at an earlier promise, and what was promised since is given up, but for this: no offset
//! and no producer id that anybody knows is given out again, and nothing that is back is another than it was.

use std::collections::BTreeMap;

use evenkeel_core::units::{ProducerId, TopicId};

use crate::{
    ledger::{GroupBook, Ledger, OpNumber, PartitionBook, PartitionKey},
    reading::{FoundPartition, Reading},
    violation::{Verdict, broken},
};

/// Offsets of a partition that losses took: from the end that each left, up to the first offset that may be given out behind it.
#[derive(Clone, Debug, Default)]
pub struct SkipBook {
    behind: BTreeMap<i64, i64>,
}

impl SkipBook {
    /// A loss left this end, and offsets below `upto` are not given out again.
    pub fn add(&mut self, end: i64, upto: i64) {
        let known = self.behind.entry(end).or_insert(upto);
        *known = upto.max(*known);
    }

    /// Whether a record must not have that offset.
    #[must_use]
    pub fn covers(&self, offset: i64) -> bool {
        self.behind.iter().any(|(end, upto)| (*end..*upto).contains(&offset))
    }

    /// The first offset that no loss took.
    #[must_use]
    pub fn upto(&self) -> i64 {
        self.behind.values().copied().max().unwrap_or(0)
    }

    fn join(&mut self, other: &SkipBook) {
        for (end, upto) in &other.behind {
            self.add(*end, *upto);
        }
    }
}

impl PartitionBook {
    /// Whether a batch at `to` may follow what ends at `from`, or answer whoever reads from there: a loss left its end there or before, and
    /// this is the first that came since.
    #[must_use]
    pub fn jumps(&self, from: i64, to: i64) -> bool {
        let first = |(end, upto): (&i64, &i64)| {
            *end <= from && from < to && *upto <= to && self.facts.range(end..&to).next().is_none()
        };
        self.skips.behind.iter().any(first)
    }

    /// Where the partition ends without the batch at that offset and all behind it: in front of the gap, if it is the first behind one.
    #[must_use]
    pub fn end_before(&self, offset: i64) -> i64 {
        let gaps = self.skips.behind.keys().copied().filter(|end| self.jumps(*end, offset));
        gaps.min().unwrap_or(offset)
    }

    /// The first offset that nobody knows of.
    #[must_use]
    pub fn unknown_from(&self, ledger: &Ledger) -> i64 {
        let last = self.facts.last_key_value();
        let end = last.map_or(0, |(offset, (number, _))| {
            ledger.op(*number).map_or(*offset, |op| op.last_offset(*offset)) + 1
        });
        end.max(self.high_watermark).max(self.skips.upto())
    }
}

impl Ledger {
    /// Of a partition that was not there before, or was lost. Those that a topic gets after a loss do not begin at 0: nobody knows whether
    /// it had them before.
    pub(super) fn new_partition(&self, key: PartitionKey) -> PartitionBook {
        let mut book = PartitionBook::default();
        let others = PartitionKey { index: 0, ..key }..PartitionKey { index: i32::MAX, ..key };
        if self.partitions.range(others).any(|(_, book)| !book.skips.behind.is_empty()) {
            book.skips.add(0, self.gone.get(&key).copied().unwrap_or(0));
        }
        book
    }

    /// Whether a batch at `to` of that partition may follow what ends at `from`: [`PartitionBook::jumps`], also of a partition that is there
    /// before anybody was told of it.
    #[must_use]
    pub fn jumps(&self, key: PartitionKey, from: i64, to: i64) -> bool {
        self.partitions
            .get(&key)
            .map_or_else(|| self.new_partition(key).jumps(from, to), |book| book.jumps(from, to))
    }

    /// What is still promised once all that was promised since `cut` is given up. What `self` knows of attempts and of numbers that
    /// were given out stays.
    #[must_use]
    pub fn as_of(&self, cut: &Ledger) -> Ledger {
        let mut rolled = Ledger {
            topics: cut.topics.clone(),
            partitions: cut.partitions.clone(),
            creating: cut.creating.clone(),
            growing: cut.growing.clone(),
            groups: BTreeMap::new(),
            offsets: self.offsets.as_of(&cut.offsets),
            configs: cut.configs.clone(),
            ..self.clone()
        };
        for (key, book) in &mut rolled.partitions {
            if let Some(known) = self.partitions.get(key) {
                book.skips.join(&known.skips);
            }
        }
        for (number, op) in &mut rolled.ops {
            let then = cut.ops.get(number);
            op.acked_at = then.and_then(|then| then.acked_at);
            op.append_time = then.and_then(|then| then.append_time);
        }
        let nothing = GroupBook::default();
        for (group, now) in &self.groups {
            let then = cut.groups.get(group).unwrap_or(&nothing);
            rolled.groups.insert(group.clone(), then.gone_on(now, self.now + self.late_micros));
        }
        rolled
    }

    /// The first start after a loss serves, and what it serves holds all that is still promised: `before` was promised before.
    ///
    /// # Errors
    /// Something that was known is another now, or is missing in the middle.
    pub fn lose(&mut self, before: &Ledger, found: &Reading) -> Verdict {
        for (key, partition) in &found.partitions {
            let nothing = PartitionBook::default();
            let known = before.partitions.get(key).unwrap_or(&nothing);
            let end = end_of(partition);
            for (offset, (number, how)) in &known.facts {
                let last = before.op(*number).map_or(*offset, |op| op.last_offset(*offset));
                if *offset >= end {
                    self.lost.insert(*number);
                    continue;
                }
                let there = partition.batches.iter().find(|batch| batch.header.base_offset.0 == *offset);
                if last >= partition.log_start && there.is_none_or(|batch| batch.op != Some(*number)) {
                    return broken(
                        "lost-write",
                        format!(
                            "{number:?} was at {offset} of {key:?}, which ends at {end} after a loss, and is not there"
                        ),
                    );
                }
                self.keep(*number, before);
                let Some(book) = self.partitions.get_mut(key) else { continue };
                book.facts.entry(*offset).or_insert((*number, *how));
                book.since.entry(*offset).or_insert(known.since.get(offset).copied().unwrap_or(self.now));
            }
            let upto = known.unknown_from(before).max(end);
            if let Some(book) = self.partitions.get_mut(key) {
                book.skips.join(&known.skips);
                book.skips.add(end, upto);
            }
        }
        for (key, known) in before.partitions.iter().filter(|(key, _)| !found.partitions.contains_key(key)) {
            self.lost.extend(known.facts.values().map(|(number, _)| *number));
            self.gone.insert(*key, known.unknown_from(before));
            let begun = self.first_sequences.keys().filter(|(of, ..)| of == key);
            self.strangers.extend(begun.map(|(key, producer, _)| (*key, *producer)));
        }
        self.know_producers(found);
        for (id, topic) in &before.topics {
            if topic.deletions > 0 || topic.deleted {
                self.revived.insert(*id);
            }
            if !self.topics.contains_key(id) {
                // Its number is not given out again.
                let mut gone = topic.clone();
                (gone.deleted, gone.deleted_at) = (true, Some(self.now));
                self.topics.insert(*id, gone);
            }
        }
        Ok(())
    }

    /// What was told of a batch that is still there.
    fn keep(&mut self, number: OpNumber, before: &Ledger) {
        if let (Some(op), Some(known)) = (self.ops.get_mut(&number), before.op(number)) {
            op.acked_at = op.acked_at.or(known.acked_at);
            op.append_time = op.append_time.or(known.append_time);
        }
    }

    /// The broker knows those producers whose batches are there, and each in its newest epoch; the others it does not know any more.
    fn know_producers(&mut self, found: &Reading) {
        for (key, partition) in &found.partitions {
            let mut there = BTreeMap::new();
            for header in partition.batches.iter().map(|batch| &batch.header) {
                if header.is_idempotent() {
                    there.insert(header.producer_id, header.producer_epoch);
                }
            }
            let begun = self.first_sequences.keys().filter(|(of, ..)| of == key);
            let unknown = begun.filter(|(_, producer, _)| !there.contains_key(producer));
            self.strangers.extend(unknown.map(|(key, producer, _)| (*key, *producer)));
            let Some(book) = self.partitions.get_mut(key) else { continue };
            for (producer, epoch) in there {
                let newest = book.producer_epochs.entry(producer).or_insert(epoch);
                *newest = epoch.max(*newest);
            }
        }
    }

    /// Whether that batch, or the producer's place in its partition, was lost.
    #[must_use]
    pub fn is_lost(&self, number: OpNumber) -> bool {
        self.lost.contains(&number)
    }

    /// Whether a producer whose batches are stored up to `newest`, or that began anew in a topic that it took to be deleted, may find that
    /// the broker does not go on where it does.
    #[must_use]
    pub fn is_torn(&self, topic: TopicId, newest: Option<OpNumber>) -> bool {
        newest.map_or_else(|| self.revived.contains(&topic), |newest| self.is_lost(newest))
    }

    /// Whether whoever wrote that may be unknown in its partition, so that it may begin anywhere.
    #[must_use]
    pub fn is_stranger(&self, key: PartitionKey, producer: ProducerId) -> bool {
        self.strangers.contains(&(key, producer))
    }
}

/// Where the records of a partition end.
fn end_of(partition: &FoundPartition) -> i64 {
    let last = partition.batches.last().map(|batch| batch.header.last_offset().0 + 1);
    last.unwrap_or(partition.log_start).max(partition.log_start)
}
