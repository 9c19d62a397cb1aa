use alloc::vec;

use super::*;
use crate::codec::tests::refuses_near_misses;

fn member(id: &str) -> GroupMember {
    GroupMember {
        id: String::from(id),
        instance: Some(String::from("i")),
        client_id: String::from("c"),
        client_host: String::from("/h"),
        session_timeout_ms: 3,
        rebalance_timeout_ms: 4,
        metadata: vec![5],
        assignment: vec![],
    }
}

/// One of each, with values that show their place in a dump.
pub(crate) fn samples() -> Vec<Entry> {
    vec![
        Entry::Append(Append {
            partition: PartitionId(0x0102_0304),
            appended_at: Timestamp(0x1112),
            header: BatchHeader {
                base_offset: Offset(0x2122),
                batch_length: 0x31,
                leader_epoch: 0x41,
                magic: 2,
                crc: 0x5152_5354,
                attributes: 0,
                last_offset_delta: 0,
                base_timestamp: Timestamp(0),
                max_timestamp: Timestamp(0),
                producer_id: ProducerId(-1),
                producer_epoch: -1,
                base_sequence: -1,
                record_count: 1,
            },
        }),
        Entry::Started { epoch: Epoch(3), at: Timestamp(4), skip_offsets: 5 },
        Entry::TopicCreated(TopicCreated {
            id: TopicId([0xab; 16]),
            name: String::from("orders"),
            partitions: 4,
            first_partition: PartitionId(9),
            at: Timestamp(77),
            configs: BTreeMap::from([(String::from("max.message.bytes"), String::from("2000"))]),
        }),
        Entry::TopicDeleted { id: TopicId([0xcd; 16]) },
        Entry::ProducerIdsReserved { upto: ProducerId(1000) },
        Entry::ProducersExpired { before: Timestamp(123_456) },
        Entry::Trimmed { floor: SegmentSequence(6) },
        Entry::PartitionsAdded {
            topic: TopicId([0xee; 16]),
            first_partition: PartitionId(13),
            partitions: 2,
        },
        Entry::ConfigsChanged {
            topic: TopicId([0xee; 16]),
            configs: BTreeMap::from([
                (String::from("flush.ms"), Some(String::from("7"))),
                (String::from("preallocate"), None),
            ]),
        },
        Entry::RecordsDeleted { partition: PartitionId(0x0a0b), log_start: Offset(0x0c0d) },
        Entry::LineageBegun { lineage: 0x1a, from: 0x2a, manifest: 0x3a, at: Timestamp(0x4a) },
        Entry::CutStored { manifest: 0x1b, cut: Lsn(0x2b), at: Timestamp(0x3b) },
        group(GroupEntry::Member { generation: 2, member: member("m") }),
        group(GroupEntry::Generation {
            generation: 2,
            at: Timestamp(6),
            protocol_type: String::from("consumer"),
            protocol: String::from("range"),
            leader: String::from("m"),
        }),
        group(GroupEntry::Assignment { generation: 2, member: String::from("m"), assignment: vec![7] }),
        group(GroupEntry::Assigned { generation: 2 }),
        group(GroupEntry::Replaced { old: String::from("m"), new: member("n") }),
        group(GroupEntry::Committed {
            at: Timestamp(8),
            offsets: vec![(
                PartitionId(2),
                CommittedOffset { offset: Offset(9), leader_epoch: 1, metadata: String::from("x") },
            )],
        }),
        group(GroupEntry::Forgotten { partitions: vec![PartitionId(3)] }),
        group(GroupEntry::Removed { member: String::from("o"), at: Timestamp(8) }),
        Entry::Group(GroupChange { group: String::from("h"), what: GroupEntry::Deleted }),
    ]
}

fn group(what: GroupEntry) -> Entry {
    Entry::Group(GroupChange { group: String::from("g"), what })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| alloc::format!("{byte:02x}")).collect()
}

#[test]
fn heads_have_the_bytes_they_always_had() {
    let golden = [
        "0123003d0000000403020141000000121100000000000022210000000000005453525 1",
        "021b000000000003000000040000000000000005000000 00000000",
        "034c0000000000abababababababababababababababab06006f726465727304000000090000004d0000000000000001000000\
         11006d61782e6d6573736167652e6279746573040032303030",
        "041700000000 00cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
        "050f0000000000e803000000000000",
        "060f000000000040e2010000000000",
        "070f00000000000600000000000000",
        "081f00000000 00eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee0d00000002000000",
        "093700000000 00eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee020000000800666c7573682e6d730101003 \
         70b00707265616c6c6f6361746500",
        "0a13000000 00000b0a00000d0c000000000000",
        "0b27000000 00001a000000000000002a000000000000003a000000000000004a00000000000000",
        "0c1f000000 00001b000000000000002b000000000000003b00000000000000",
    ];
    for (entry, want) in samples().iter().zip(golden) {
        let mut head = Vec::new();
        entry.encode_head(&mut head);
        assert_eq!(hex(&head), want.replace(' ', ""), "{entry:?}");
    }
}

#[test]
fn heads_survive_their_encoding_and_every_shorter_form_is_refused() {
    for entry in samples() {
        let mut head = Vec::new();
        entry.encode_head(&mut head);
        let mut reader = Reader::new(&head);
        match (Head::decode(&mut reader).expect("whole"), &entry) {
            (Head::Append(read), Entry::Append(append)) => {
                assert_eq!(read.partition, append.partition);
                assert_eq!(read.base_offset, append.header.base_offset);
                assert_eq!(read.crc, append.header.crc);
                assert_eq!(read.leader_epoch, append.header.leader_epoch);
                assert_eq!(read.body_len, append.body_len());
                assert_eq!(head.len(), APPEND_HEAD_BYTES);
            }
            (Head::Whole(read), _) => assert_eq!(&read, &entry),
            (Head::Append(_), _) => panic!("{entry:?} came back as an append"),
        }
        assert_eq!(reader.remaining(), 0);
        for len in 0..head.len() {
            assert_eq!(
                Head::decode(&mut Reader::new(&head[..len])),
                Err(Malformed),
                "{entry:?} cut at {len}"
            );
        }
    }
}

/// Fields of a head, decoded behind a front that fits them, and encoded again.
fn again(kind: u8, body_len: u32, fields: &[u8]) -> Option<Vec<u8>> {
    let mut head = vec![kind];
    head.put_u16(u16::try_from(HEAD_PREFIX_BYTES + fields.len()).expect("short"));
    head.put_u32(body_len);
    head.extend_from_slice(fields);
    let mut out = Vec::new();
    match Head::decode(&mut Reader::new(&head)).ok()? {
        Head::Append(append) => {
            out.put_u32(append.partition.0);
            out.put_u32(append.leader_epoch.cast_unsigned());
            out.put_i64(append.appended_at.0);
            out.put_i64(append.base_offset.0);
            out.put_u32(append.crc);
        }
        Head::Whole(entry) => {
            entry.encode_head(&mut out);
            out.drain(..HEAD_PREFIX_BYTES);
        }
    }
    Some(out)
}

#[test]
fn fields_that_do_not_fill_their_head_are_refused() {
    for entry in samples() {
        let mut head = Vec::new();
        entry.encode_head(&mut head);
        refuses_near_misses(&head[HEAD_PREFIX_BYTES..], |fields| again(head[0], entry.body_len(), fields));
    }
}

#[test]
fn a_head_shorter_than_its_front_a_body_too_many_and_a_missing_one_are_refused() {
    let refused = |head: &[u8]| assert_eq!(Head::decode(&mut Reader::new(head)), Err(Malformed), "{head:?}");
    for len in 0..HEAD_PREFIX_BYTES as u8 {
        refused(&[TOPIC_DELETED, len, 0, 0, 0, 0, 0]);
    }
    for entry in samples() {
        let mut head = Vec::new();
        entry.encode_head(&mut head);
        head[3..7].copy_from_slice(&u32::from(entry.body_len() == 0).to_le_bytes());
        refused(&head);
        head[0] = 200;
        refused(&head);
    }
}

#[test]
fn partitions_without_a_number_and_topics_without_partitions_are_refused() {
    let topic = |first: u32, partitions: u32| {
        Entry::TopicCreated(TopicCreated {
            id: TopicId([1; 16]),
            name: String::from("t"),
            partitions,
            first_partition: PartitionId(first),
            at: Timestamp(0),
            configs: BTreeMap::new(),
        })
    };
    let added = |first: u32, partitions: u32| Entry::PartitionsAdded {
        topic: TopicId([1; 16]),
        first_partition: PartitionId(first),
        partitions,
    };
    let read = |entry: Entry| {
        let mut head = Vec::new();
        entry.encode_head(&mut head);
        Head::decode(&mut Reader::new(&head)).map(|_| ())
    };
    for make in [&topic as &dyn Fn(u32, u32) -> Entry, &added] {
        assert_eq!(read(make(u32::MAX - 1, 1)), Ok(()));
        assert_eq!(read(make(u32::MAX - 1, 2)), Err(Malformed), "behind the last number");
        assert_eq!(read(make(1, u32::MAX)), Err(Malformed));
        assert_eq!(read(make(1, 0)), Err(Malformed));
    }
}
