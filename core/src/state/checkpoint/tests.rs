use alloc::{collections::BTreeMap, string::String};

use super::*;
use crate::{
    codec::tests::refuses_sealed_near_misses,
    log::entry::{Append, Entry},
    units::TopicId,
    wire::batch::BatchHeader,
};

fn topic(name: &str, id: u8, first: u32, partitions: u32) -> Entry {
    Entry::TopicCreated(TopicCreated {
        id: TopicId([id; 16]),
        name: String::from(name),
        partitions,
        first_partition: PartitionId(first),
        at: Timestamp(5),
        configs: BTreeMap::from([(String::from("message.timestamp.type"), String::from("LogAppendTime"))]),
    })
}

fn append(partition: u32, base: i64, producer: i64) -> Entry {
    Entry::Append(Append {
        partition: PartitionId(partition),
        appended_at: Timestamp(base + 1000),
        header: BatchHeader {
            base_offset: Offset(base),
            batch_length: 60,
            leader_epoch: 2,
            magic: 2,
            crc: 1,
            attributes: 0,
            last_offset_delta: 4,
            base_timestamp: Timestamp(0),
            max_timestamp: Timestamp(9),
            producer_id: ProducerId(producer),
            producer_epoch: 0,
            base_sequence: 0,
            record_count: 5,
        },
    })
}

fn sample() -> (State, Lsn) {
    let entries = [
        Entry::Started { epoch: Epoch(2), at: Timestamp(1), skip_offsets: 0 },
        topic("gone", 1, 0, 2),
        topic("kept", 2, 2, 3),
        Entry::ProducerIdsReserved { upto: ProducerId(1000) },
        append(2, 0, 7),
        append(4, 0, -1),
        Entry::TopicDeleted { id: TopicId([1; 16]) },
        Entry::Trimmed { floor: SegmentSequence(3) },
    ];
    let mut state = State::default();
    for (lsn, entry) in (0..).map(Lsn).zip(&entries) {
        state.apply(lsn, entry);
    }
    let lsn = Lsn(entries.len() as u64);
    state.catalog_known = lsn;
    state.producer_ids_known = lsn;
    state.groups_known = lsn;
    for partition in state.partitions_mut() {
        partition.visible = partition.log_end;
    }
    (state, lsn)
}

#[test]
fn a_checkpoint_gives_back_the_state_it_was_made_of() {
    let (state, lsn) = sample();
    assert_eq!(decode(&encode(&state, lsn)), Ok((state.clone(), lsn)));
    let mut skipped = state.clone();
    skipped.partitions_mut().for_each(|partition| partition.skip(1_000));
    assert_eq!(decode(&encode(&skipped, lsn)), Ok((skipped, lsn)), "offsets that are not given out again");
    assert_eq!(state.next_partition(), PartitionId(5), "numbers of deleted partitions stay used");
    assert_eq!(decode(&encode(&State::default(), Lsn(0))), Ok((State::default(), Lsn(0))));
}

#[test]
fn every_damaged_byte_and_every_cut_is_noticed() {
    let (state, lsn) = sample();
    let bytes = encode(&state, lsn);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert_eq!(decode(&damaged), Err(NotACheckpoint::Damaged), "byte {at}");
        assert_eq!(decode(&bytes[..at]), Err(NotACheckpoint::Damaged), "cut at {at}");
    }
}

#[test]
fn the_front_of_a_checkpoint_has_the_bytes_it_always_had() {
    let (mut state, lsn) = sample();
    state.apply(lsn, &Entry::LineageBegun { lineage: 0xa1, from: 0xb2, manifest: 0xc3, at: Timestamp(7) });
    state.apply(lsn, &Entry::CutStored { manifest: 0xd4, cut: Lsn(0xe5), at: Timestamp(0xf6) });
    let hex: String = encode(&state, lsn)[12..100].iter().map(|byte| alloc::format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "04000000080000000000000002000000e803000000000000030000000000000005000000\
         a100000000000000b200000000000000c300000000000000d400000000000000e500000000000000f600000000000000\
         01000000"
    );
}

#[test]
fn a_topic_that_is_there_twice_is_damage() {
    let mut state = State::default();
    state.apply(Lsn(0), &topic("a", 1, 0, 1));
    state.apply(Lsn(1), &topic("b", 2, 1, 1));
    let bytes = encode(&state, Lsn(2));
    assert!(decode(&bytes).is_ok());
    let id = bytes.windows(16).position(|window| window == [2; 16]).expect("the second topic");
    // Its id, its name, and its first partition, each that of the first.
    for (at, was, byte) in [(id..id + 16, 2, 1), (id + 18..id + 19, b'b', b'a'), (id + 23..id + 24, 1, 0)] {
        let mut twice = bytes.clone();
        assert!(twice[at.clone()].iter().all(|byte| *byte == was));
        twice[at].fill(byte);
        let crc = crc32c::crc32c(&twice[12..]);
        twice[8..12].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(decode(&twice), Err(NotACheckpoint::Damaged));
    }
}

/// What format 2 wrote of [`sample`].
const FORMAT_2: &str = "454b434b505430313dd8441902000000080000000000000002000000e8030000000000000300000000000000050000000100\
    00000202020202020202020202020202020204006b657074030000000200000005000000000000000100000016006d657373\
    6167652e74696d657374616d702e747970650d004c6f67417070656e6454696d650000000000000000050000000000000001\
    0000000200000000000000000000000100000007000000000000000000e80300000000000001000000000400000000000000\
    00000000ffffffffffffffff0400000000000000000000000000000000000000000000000000000000000000000000000000\
    00000500000000000000010000000200000000000000000000000000000000000000";

#[test]
fn checkpoints_of_earlier_formats_are_read() {
    let digits: Vec<u8> =
        FORMAT_2.bytes().map(|digit| if digit > b'9' { digit - b'a' + 10 } else { digit - b'0' }).collect();
    let second: Vec<u8> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    assert_eq!(decode(&second), Ok(sample()));
    // Format 3 is that of today without the store and reserved offsets, of which the sample knows nothing.
    let (mut state, lsn) = sample();
    let reserved = i64::from_le_bytes([0x77; 8]);
    state.partitions_mut().for_each(|partition| partition.reserved_upto = Offset(reserved));
    let mut third = encode(&state, lsn);
    third.drain(48..96);
    while let Some(at) = third.windows(8).position(|window| window == reserved.to_le_bytes()) {
        third.drain(at..at + 8);
    }
    third[12] = 3;
    let crc = crc32c::crc32c(&third[12..]);
    third[8..12].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(decode(&third), Ok(sample()));
    // Format 1 is the same without groups, of which the sample has none.
    let mut first = second[..second.len() - 4].to_vec();
    first[12] = 1;
    let crc = crc32c::crc32c(&first[12..]);
    first[8..12].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(decode(&first), Ok(sample()));
}

/// [`sample`], with all that a state can hold.
fn full_sample() -> (State, Lsn) {
    let (mut state, lsn) = sample();
    for entry in crate::log::entry::tests::samples() {
        if matches!(entry, Entry::Group(_)) {
            state.apply(Lsn(lsn.0 - 1), &entry);
        }
    }
    let kept = TopicId([2; 16]);
    let before = Lsn(lsn.0 - 1);
    state.apply(before, &topic("between", 3, 5, 1));
    state.apply(
        before,
        &Entry::PartitionsAdded { topic: kept, first_partition: PartitionId(6), partitions: 2 },
    );
    let configs = [("flush.ms", Some("7")), ("message.timestamp.type", None)];
    let configs = configs.map(|(name, value)| (String::from(name), value.map(String::from)));
    state.apply(before, &Entry::ConfigsChanged { topic: kept, configs: BTreeMap::from(configs) });
    state.apply(before, &Entry::RecordsDeleted { partition: PartitionId(4), log_start: Offset(3) });
    (state, lsn)
}

#[test]
fn groups_added_partitions_and_changed_configs_are_in_a_checkpoint() {
    let (mut state, lsn) = full_sample();
    assert!(state.group_count() > 0);
    let (read, upto) = decode(&encode(&state, lsn)).expect("a checkpoint");
    let topic = read.topic(TopicId([2; 16])).expect("it is there");
    let ids: Vec<u32> = topic.partition_ids().map(|id| id.0).collect();
    assert_eq!((upto, ids), (lsn, Vec::from([2, 3, 4, 6, 7])));
    assert_eq!(topic.created.configs, BTreeMap::from([(String::from("flush.ms"), String::from("7"))]));
    assert!(!topic.config.log_append_time);
    assert_eq!(read.partition(PartitionId(4)).map(|partition| partition.log_start), Some(Offset(3)));
    // What only answers under way need to know is not there.
    state.partition_mut(PartitionId(4)).expect("it is there").start_known = Lsn(0);
    assert_eq!(read, state);
}

#[test]
fn fields_that_cannot_be_are_refused_behind_the_checksum() {
    let (state, lsn) = full_sample();
    refuses_sealed_near_misses(&encode(&state, lsn), |bytes| {
        decode(bytes).ok().map(|(state, lsn)| encode(&state, lsn))
    });
}
