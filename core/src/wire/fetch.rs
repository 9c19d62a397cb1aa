//! The fetch response, versions 4 to 18, encoded by hand: the crate copies every record byte, here they stay
//! where they are and go out as slices between slices of the envelope.
//!
//! | field | versions | |
//! |---|---|---|
//! | throttle time | all | 0 |
//! | error code, session id | 7.. | |
//! | topics | all | array of what follows, tagged fields |
//! | topic name | ..12 | |
//! | topic id | 13.. | |
//! | partitions | all | array of what follows, tagged fields |
//! | index, error code | all | |
//! | high watermark, last stable offset | all | |
//! | log start offset | 5.. | |
//! | aborted transactions | all | nullable array of producer id, first offset, tagged fields |
//! | preferred read replica | 11.. | -1: fetch from here |
//! | records | all | length and bytes; empty rather than null |
//! | diverging epoch | 12.. | tag 0: epoch, end offset, tagged fields; only where set |
//!
//! From version 12 on lengths and counts are compact and every structure ends in tagged fields (KIP-482).

use alloc::vec::Vec;

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    answer::{Form, write_len},
    session::Frame,
};
use crate::port::{FetchAnswer, FetchedPartition, FetchedTopic};

/// Slices up to this size are copied into the envelope: a system call takes longer over one more slice than
/// over so many bytes more.
const COPIED_BYTES_MAX: usize = 256;

/// The frame of a fetch response. Its slices share the records' memory.
pub(super) fn encode(answer: FetchAnswer, form: Form) -> Frame {
    let flexible = form.served.is_flexible(form.version);
    let mut envelope = Envelope { out: form.begin(), inserts: Vec::new(), version: form.version, flexible };
    envelope.body(answer);
    envelope.finish()
}

struct Envelope {
    out: BytesMut,
    /// Record slices, each with the place in `out` that it comes before.
    inserts: Vec<(usize, Bytes)>,
    version: i16,
    flexible: bool,
}

impl Envelope {
    fn body(&mut self, answer: FetchAnswer) {
        self.out.put_i32(0);
        if self.version >= 7 {
            self.out.put_i16(answer.error_code);
            self.out.put_i32(answer.session_id);
        }
        self.len(Width::Four, Some(answer.topics.len()));
        answer.topics.into_iter().for_each(|topic| self.topic(topic));
        self.no_tagged_fields();
    }

    fn topic(&mut self, topic: FetchedTopic) {
        if self.version >= 13 {
            self.out.put_slice(&topic.id.0);
        } else {
            self.len(Width::Two, Some(topic.name.len()));
            self.out.put_slice(topic.name.as_bytes());
        }
        self.len(Width::Four, Some(topic.partitions.len()));
        topic.partitions.into_iter().for_each(|partition| self.partition(partition));
        self.no_tagged_fields();
    }

    fn partition(&mut self, partition: FetchedPartition) {
        self.out.put_i32(partition.index);
        self.out.put_i16(partition.error_code);
        self.out.put_i64(partition.high_watermark);
        self.out.put_i64(partition.last_stable_offset);
        if self.version >= 5 {
            self.out.put_i64(partition.log_start_offset);
        }
        self.len(Width::Four, partition.aborted_transactions.as_ref().map(Vec::len));
        for (producer_id, first_offset) in partition.aborted_transactions.into_iter().flatten() {
            self.out.put_i64(producer_id);
            self.out.put_i64(first_offset);
            self.no_tagged_fields();
        }
        if self.version >= 11 {
            self.out.put_i32(-1);
        }
        self.len(Width::Four, Some(partition.records.iter().map(Bytes::len).sum()));
        partition.records.into_iter().for_each(|slice| self.records(slice));
        match partition.diverging_epoch {
            Some((epoch, end_offset)) if self.flexible => {
                // One tagged field: tag 0, 13 bytes, of which the last says that no tagged fields follow inside.
                self.out.put_slice(&[1, 0, 13]);
                self.out.put_i32(epoch);
                self.out.put_i64(end_offset);
                self.out.put_u8(0);
            }
            Some(_) | None => self.no_tagged_fields(),
        }
    }

    fn records(&mut self, slice: Bytes) {
        if slice.len() <= COPIED_BYTES_MAX {
            self.out.put_slice(&slice);
        } else {
            self.inserts.push((self.out.len(), slice));
        }
    }

    fn no_tagged_fields(&mut self) {
        if self.flexible {
            self.out.put_u8(0);
        }
    }

    fn len(&mut self, width: Width, len: Option<usize>) {
        if self.flexible {
            let compact = len.map_or(0, |len| len + 1);
            put_varint(&mut self.out, u32::try_from(compact).expect("a response stays below 2 GiB"));
            return;
        }
        let len = len.map_or(-1, |len| i32::try_from(len).expect("a response stays below 2 GiB"));
        match width {
            Width::Two => {
                self.out.put_i16(i16::try_from(len).expect("topic names have at most 249 characters"))
            }
            Width::Four => self.out.put_i32(len),
        }
    }

    fn finish(mut self) -> Frame {
        write_len(&mut self.out, self.inserts.iter().map(|(_, slice)| slice.len()).sum());
        let mut envelope = self.out.freeze();
        let mut slices = Vec::with_capacity(2 * self.inserts.len() + 1);
        let mut given = 0;
        for (at, slice) in self.inserts {
            if at > given {
                slices.push(envelope.split_to(at - given));
                given = at;
            }
            slices.push(slice);
        }
        if !envelope.is_empty() {
            slices.push(envelope);
        }
        slices
    }
}

/// Bytes of a length or count before version 12.
#[derive(Clone, Copy)]
enum Width {
    Two,
    Four,
}

fn put_varint(out: &mut BytesMut, mut value: u32) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

#[cfg(test)]
mod tests;
