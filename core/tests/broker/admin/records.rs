//! DeleteRecords, DescribeProducers, DescribeLogDirs.

use evenkeel_core::{
    port::{AdminRequest, AdminResponse, FoundOffset, Request},
    units::Offset,
};
use kafka_protocol::messages::{
    DeleteRecordsRequest, DescribeLogDirsRequest, DescribeProducersRequest,
    delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic},
    describe_log_dirs_request::DescribableLogDirTopic,
    describe_producers_request::TopicRequest,
};

use super::{ask, topic_name};
use crate::rig::{MEMORY_BYTES, Rig, batch, producer_batch, small};

fn deletion(topic: &str, partition: i32, offset: i64) -> AdminRequest {
    let partition = DeleteRecordsPartition::default().with_partition_index(partition).with_offset(offset);
    let topic = DeleteRecordsTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
    AdminRequest::DeleteRecords(DeleteRecordsRequest::default().with_topics(vec![topic]))
}

/// Error code and low watermark.
pub(crate) fn delete(rig: &mut Rig, topic: &str, partition: i32, offset: i64) -> (i16, i64) {
    match ask(rig, 2, deletion(topic, partition, offset)) {
        AdminResponse::DeleteRecords(response) => {
            let told = &response.topics[0].partitions[0];
            (told.error_code, told.low_watermark)
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) const EARLIEST: i64 = -2;

pub(crate) fn earliest(rig: &mut Rig) -> i64 {
    match rig.list_offset("t", 0, EARLIEST) {
        FoundOffset::At { offset, .. } => offset.0,
        other => panic!("{other:?}"),
    }
}

/// Error code and the offset of the first batch told, if any.
fn fetched(rig: &mut Rig, offset: i64) -> (i16, Option<i64>) {
    let answer = rig.fetch("t", 0, offset);
    let told = &answer.topics[0].partitions[0];
    let first = told
        .records
        .first()
        .map(|bytes| i64::from_be_bytes(bytes[..8].try_into().expect("a batch begins with its offset")));
    (told.error_code, first)
}

/// Ten batches of three records: offsets 0 to 29, each batch a second younger.
fn rig() -> Rig {
    let mut rig = Rig::new(small());
    rig.create("t", 1, &[]);
    for at in 0..10 {
        assert_eq!(rig.produce("t", 0, batch(3, 10, b'a', 1000 * (at + 1))), (0, 3 * at));
    }
    rig
}

#[test]
fn deleted_records_are_gone_for_good_and_the_others_stay() {
    let mut rig = rig();
    assert_eq!(delete(&mut rig, "t", 0, 0), (0, 0), "nothing lies below");
    assert_eq!(delete(&mut rig, "t", 0, 7), (0, 7));
    for crashed in [false, true, true] {
        rig = if crashed { rig.crash() } else { rig };
        assert_eq!(earliest(&mut rig), 7);
        assert_eq!(fetched(&mut rig, 6).0, 1);
        // Batches stay whole: the client skips what lies below the offset that it asked for.
        assert_eq!(fetched(&mut rig, 7), (0, Some(6)));
        assert_eq!(fetched(&mut rig, 9), (0, Some(9)));
        assert_eq!(delete(&mut rig, "t", 0, 5), (0, 7), "it never goes back");
    }
    assert_eq!(delete(&mut rig, "t", 0, -1), (0, 30), "all that readers may see");
    let mut rig = rig.stop().crash();
    assert_eq!((earliest(&mut rig), fetched(&mut rig, 30)), (30, (0, None)));
    assert_eq!(fetched(&mut rig, 29).0, 1);
    assert_eq!(rig.produce("t", 0, batch(1, 10, b'z', 20_000)), (0, 30), "offsets go on");
    assert_eq!(fetched(&mut rig, 30), (0, Some(30)));
}

#[test]
fn a_deletion_that_cannot_be_is_refused() {
    let mut rig = rig();
    assert_eq!(delete(&mut rig, "t", 0, 31), (1, -1));
    assert_eq!(delete(&mut rig, "t", 0, -2), (1, -1));
    assert_eq!(delete(&mut rig, "t", 1, 0), (3, -1));
    assert_eq!(delete(&mut rig, "none", 0, 0), (3, -1));
    assert_eq!(earliest(&mut rig), 0);
}

#[test]
fn a_deletion_is_not_told_before_it_is_durable() {
    let mut rig = rig();
    rig.hold_log();
    let deleted = rig.send(1, 2, Request::Admin(deletion("t", 0, 7)));
    let fetched = rig.send(2, 11, Request::Fetch(Rig::fetch_request("t", 0, 5, 0)));
    assert_eq!((rig.reply(deleted), rig.reply(fetched)), (None, None), "a crash could bring them back");
    rig.release();
    assert!(rig.reply(deleted).is_some() && rig.reply(fetched).is_some());
}

#[test]
fn a_time_finds_no_deleted_record() {
    let mut rig = rig();
    let at = |rig: &mut Rig, time: i64| match rig.list_offset("t", 0, time) {
        FoundOffset::Within { from, batch, .. } => {
            let bytes: Vec<u8> = batch.iter().flat_map(|slice| slice.to_vec()).collect();
            (from, i64::from_be_bytes(bytes[..8].try_into().expect("a batch begins with its offset")))
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(at(&mut rig, 1), (Offset(0), 0));
    assert_eq!(delete(&mut rig, "t", 0, 7), (0, 7));
    for crashed in [false, true] {
        rig = if crashed { rig.crash() } else { rig };
        assert_eq!(at(&mut rig, 1), (Offset(7), 6), "the batch that holds it, from there on");
        assert_eq!(at(&mut rig, 5001), (Offset(7), 15));
    }
}

#[test]
fn producers_are_told_and_deleting_their_records_does_not_forget_them() {
    let mut rig = rig();
    let id = rig.producer_id();
    assert_eq!(rig.produce("t", 0, producer_batch(2, 10, b'p', 20_000, id, 0, 0)), (0, 30));
    assert_eq!(delete(&mut rig, "t", 0, -1), (0, 32));
    for crashed in [false, true] {
        rig = if crashed { rig.crash() } else { rig };
        let topic = TopicRequest::default().with_name(topic_name("t")).with_partition_indexes(vec![0, 1]);
        let request = DescribeProducersRequest::default().with_topics(vec![topic]);
        let AdminResponse::DescribeProducers(told) =
            ask(&mut rig, 0, AdminRequest::DescribeProducers(request))
        else {
            panic!("another answer")
        };
        let partitions = &told.topics[0].partitions;
        assert_eq!((partitions[0].error_code, partitions[1].error_code), (0, 3));
        let [producer] = &partitions[0].active_producers[..] else { panic!("{partitions:?}") };
        assert_eq!((producer.producer_id.0, producer.producer_epoch, producer.last_sequence), (id, 0, 1));
        assert_eq!(producer.current_txn_start_offset, -1);
        // What it sends once more it has sent already.
        assert_eq!(rig.produce("t", 0, producer_batch(2, 10, b'p', 20_000, id, 0, 0)), (0, 30));
    }
}

#[test]
fn the_directory_is_told_with_the_bytes_of_each_partition() {
    let mut rig = rig();
    rig.create("empty", 2, &[]);
    let sizes = |rig: &mut Rig, topics: Option<Vec<DescribableLogDirTopic>>| {
        let request = DescribeLogDirsRequest::default().with_topics(topics);
        match ask(rig, 4, AdminRequest::DescribeLogDirs(request)) {
            AdminResponse::DescribeLogDirs(response) => {
                let [directory] = &response.results[..] else { panic!("{response:?}") };
                assert_eq!((response.error_code, directory.error_code), (0, 0));
                assert_eq!(directory.total_bytes, MEMORY_BYTES.cast_signed());
                assert!(directory.usable_bytes > 0 && directory.usable_bytes < directory.total_bytes);
                let told = directory.topics.iter().map(|topic| {
                    let sizes =
                        topic.partitions.iter().map(|told| (told.partition_index, told.partition_size));
                    (topic.name.to_string(), sizes.collect::<Vec<_>>())
                });
                told.collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        }
    };
    let all = sizes(&mut rig, None);
    let [(_, empty), (_, full)] = &all[..] else { panic!("{all:?}") };
    assert_eq!(empty[..], [(0, 0), (1, 0)]);
    let before = full[0].1;
    assert!(before > 0);
    assert_eq!(delete(&mut rig, "t", 0, 15), (0, 15));
    let asked = |name: &str| {
        DescribableLogDirTopic::default().with_topic(topic_name(name)).with_partitions(vec![0, 7])
    };
    for crashed in [false, true] {
        rig = if crashed { rig.crash() } else { rig };
        let told = sizes(&mut rig, Some(vec![asked("t"), asked("none")]));
        assert_eq!(told, [("t".into(), vec![(0, before / 2)])], "what is not there is left out");
    }
}

#[test]
fn a_disk_that_does_not_tell_its_room_is_an_error_and_not_an_empty_directory() {
    let mut rig = rig();
    *rig.disk.stuck.lock().expect("no test panics with it") = true;
    for version in [1, 4] {
        let request = DescribeLogDirsRequest::default().with_topics(None);
        match ask(&mut rig, version, AdminRequest::DescribeLogDirs(request)) {
            AdminResponse::DescribeLogDirs(response) => {
                assert_eq!((response.results[0].error_code, response.results[0].topics.len()), (56, 0));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(rig.notices.last().is_some_and(|told| told.contains("EIO")), "{:?}", rig.notices);
}
