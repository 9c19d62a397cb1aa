use alloc::vec;

use kafka_protocol::messages::{
    TopicName,
    produce_request::{PartitionProduceData, TopicProduceData},
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::*;
use crate::{
    units::{Offset, ProducerId},
    wire::{
        batch::verify_stored,
        sample::{self, Dice, header, record, records},
    },
};

const DELTAS: [i64; 3] = [0, 7, 3];

/// The code that a batch of three records gets after its header was changed.
fn code(change: impl FnOnce(&mut BatchHeader)) -> i16 {
    let mut header = header(&DELTAS);
    change(&mut header);
    let records = match header.codec() {
        codec @ 0..=4 => sample::compressed(&mut Dice(1), codec, &records(&DELTAS)),
        _ => records(&DELTAS),
    };
    check_batch(&sample::batch(header, &records), 9).map_or_else(|refusal| refusal.error_code, |_| 0)
}

/// The code that these record bytes get under a header that announces `count` records.
fn code_of_records(count: i32, records: &[u8]) -> i16 {
    let mut header = header(&DELTAS);
    header.record_count = count;
    header.last_offset_delta = count - 1;
    check_batch(&sample::batch(header, records), 9).map_or_else(|refusal| refusal.error_code, |_| 0)
}

#[test]
fn a_valid_batch_is_taken_as_it_is_in_every_codec() {
    for codec in 0..=4 {
        let mut header = header(&DELTAS);
        header.attributes = codec;
        let bytes = sample::batch(header, &sample::compressed(&mut Dice(1), codec, &records(&DELTAS)));
        let batch = check_batch(&bytes, 9).expect("valid");
        assert_eq!(batch.header.encode(), bytes[..HEADER_BYTES]);
        assert_eq!(batch.records, bytes[HEADER_BYTES..]);
        assert_eq!(batch.records.as_ptr(), bytes[HEADER_BYTES..].as_ptr(), "not a copy");
    }
}

#[test]
fn what_is_not_one_batch_of_magic_2_is_refused() {
    let code =
        |bytes: &[u8]| check_batch(&Bytes::copy_from_slice(bytes), 9).expect_err("not a batch").error_code;
    let good = sample::batch(header(&DELTAS), &records(&DELTAS));
    assert_eq!(code(b""), INVALID_RECORD);
    assert_eq!(code(&[good.clone(), good.clone()].concat()), INVALID_RECORD);
    for (magic, expected) in
        [(0, INVALID_RECORD), (1, INVALID_RECORD), (3, CORRUPT_MESSAGE), (255, CORRUPT_MESSAGE)]
    {
        let mut bytes = good.to_vec();
        bytes[MAGIC_AT] = magic;
        assert_eq!(code(&bytes), expected, "magic {magic}");
    }
}

#[test]
fn every_cut_and_every_flipped_bit_of_a_batch_is_refused() {
    let good = sample::batch(header(&DELTAS), &records(&DELTAS));
    for len in 1..good.len() {
        let refusal = check_batch(&good.slice(..len), 9).expect_err("cut");
        assert_eq!(refusal.error_code, CORRUPT_MESSAGE, "cut at {len}");
    }
    for bit in 0..good.len() * 8 {
        let mut bytes = good.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        // The leader epoch is written by the broker; nobody looks at what a client puts there.
        let ignored = (12..16).contains(&(bit / 8));
        assert_eq!(check_batch(&bytes.into(), 9).is_ok(), ignored, "bit {bit}");
    }
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    assert_eq!(code(|h| h.base_offset = Offset(1)), INVALID_RECORD);
    assert_eq!(code(|h| h.record_count = 4), INVALID_RECORD);
    assert_eq!(code(|h| h.last_offset_delta = 3), INVALID_RECORD);
    assert_eq!(code(|h| (h.record_count, h.last_offset_delta) = (0, -1)), INVALID_RECORD);
    assert_eq!(code(|h| (h.record_count, h.last_offset_delta) = (i32::MIN, i32::MAX)), INVALID_RECORD);
    let boundless = |h: &mut BatchHeader| {
        h.attributes = 1;
        (h.record_count, h.last_offset_delta) = (i32::MAX, i32::MAX - 1);
    };
    assert_eq!(code(boundless), INVALID_RECORD);
}

#[test]
fn what_only_a_broker_may_set_is_refused() {
    assert_eq!(code(|h| h.attributes |= CONTROL), INVALID_RECORD);
    assert_eq!(code(|h| h.attributes |= DELETE_HORIZON), INVALID_RECORD);
    assert_eq!(code(|h| h.attributes |= LOG_APPEND_TIME), INVALID_TIMESTAMP);
}

#[test]
fn codecs_are_those_that_kafka_knows_and_zstd_needs_version_7() {
    for codec in 5..=7 {
        assert_eq!(code(|h| h.attributes = codec), INVALID_RECORD, "codec {codec}");
    }
    let mut header = header(&DELTAS);
    header.attributes = CODEC_ZSTD;
    let bytes = sample::batch(header, &sample::compressed(&mut Dice(1), CODEC_ZSTD, &records(&DELTAS)));
    let refusal = check_batch(&bytes, 6).expect_err("too old");
    assert_eq!(refusal.error_code, UNSUPPORTED_COMPRESSION_TYPE);
    assert!(check_batch(&bytes, 7).is_ok());
}

#[test]
fn compressed_records_are_held_to_what_their_batch_announces() {
    let taken = |codec: i16, count: i32, bytes: &[u8]| {
        let mut header = header(&DELTAS);
        header.attributes = codec;
        (header.record_count, header.last_offset_delta) = (count, count - 1);
        check_batch(&sample::batch(header, bytes), 9).map_or_else(|refusal| refusal.error_code, |_| 0)
    };
    let of = |codec, plain: &[u8]| sample::compressed(&mut Dice(2), codec, plain);
    let gap = [record(0, 0, b"a"), record(0, 2, b"b")].concat();
    for codec in 1..=4 {
        assert_eq!(taken(codec, 3, &of(codec, &records(&DELTAS))), 0, "codec {codec}");
        assert_eq!(taken(codec, 9, &of(codec, &records(&DELTAS))), INVALID_RECORD, "too few, codec {codec}");
        assert_eq!(taken(codec, 2, &of(codec, &records(&DELTAS))), INVALID_RECORD, "too many, codec {codec}");
        assert_eq!(taken(codec, 2, &of(codec, &gap)), INVALID_RECORD, "a gap, codec {codec}");
        assert_eq!(taken(codec, 1, b"no frame at all"), INVALID_RECORD, "codec {codec}");
        assert_eq!(taken(codec, 1, b""), INVALID_RECORD, "codec {codec}");
        assert_eq!(taken(codec, 3, &records(&DELTAS)), INVALID_RECORD, "not compressed, codec {codec}");
        let whole = of(codec, &records(&DELTAS));
        assert_eq!(taken(codec, 3, &whole[..whole.len() / 2]), INVALID_RECORD, "cut, codec {codec}");
    }
}

#[test]
fn the_largest_timestamp_of_a_compressed_batch_is_that_of_its_records() {
    for codec in 1..=4 {
        let mut header = header(&DELTAS);
        header.attributes = codec;
        let told = header.max_timestamp;
        header.max_timestamp = Timestamp(told.0 + 1_000_000);
        let bytes = sample::batch(header, &sample::compressed(&mut Dice(1), codec, &records(&DELTAS)));
        let batch = check_batch(&bytes, 9).expect("a header that is amended");
        assert_eq!(batch.header.max_timestamp, told, "codec {codec}");
        let stored = [&batch.header.encode()[..], &batch.records].concat();
        assert_eq!(crc32c::crc32c(&stored[CRC_COVERS_FROM..]), batch.header.crc, "codec {codec}");
    }
}

#[test]
fn a_batch_that_no_topic_allows_is_refused_before_it_is_looked_into() {
    let mut header = header(&DELTAS);
    header.attributes = 1;
    let bytes = sample::batch(header, &vec![0; MESSAGE_BYTES_MAX as usize]);
    assert_eq!(check_batch(&bytes, 9).expect_err("too large").error_code, MESSAGE_TOO_LARGE);
}

#[test]
fn idempotent_batches_need_a_sequence_and_an_epoch() {
    let idempotent = |producer_epoch, base_sequence| {
        code(|h| {
            h.producer_id = ProducerId(5);
            (h.producer_epoch, h.base_sequence) = (producer_epoch, base_sequence);
        })
    };
    assert_eq!(idempotent(0, 0), 0);
    assert_eq!(idempotent(0, i32::MAX), 0, "sequences wrap");
    assert_eq!(idempotent(0, -1), INVALID_RECORD);
    assert_eq!(idempotent(-1, 0), INVALID_RECORD);
    assert_eq!(code(|h| h.attributes |= TRANSACTIONAL), INVALID_RECORD, "without a producer id");
}

#[test]
fn records_other_than_announced_are_refused() {
    let three = records(&DELTAS);
    assert_eq!(code_of_records(3, &three), 0);
    assert_eq!(code_of_records(2, &three), INVALID_RECORD);
    assert_eq!(code_of_records(4, &three), INVALID_RECORD);
    assert_eq!(code_of_records(1, b""), INVALID_RECORD);
    assert_eq!(code_of_records(3, &three[..three.len() - 1]), INVALID_RECORD);
    let gap = [record(0, 0, b"a"), record(0, 2, b"b")].concat();
    assert_eq!(code_of_records(2, &gap), INVALID_RECORD, "offset deltas 0, 2");
    let from_one = [record(0, 1, b"a"), record(0, 2, b"b")].concat();
    assert_eq!(code_of_records(2, &from_one), INVALID_RECORD, "offset deltas 1, 2");
    assert_eq!(code_of_records(1, &record(i64::MAX, 0, b"a")), INVALID_TIMESTAMP);
}

#[test]
fn a_max_timestamp_that_no_record_has_is_corrected_with_its_checksum() {
    for claimed in [-1, 0, 1006, 1008, i64::MAX] {
        let mut header = header(&DELTAS);
        header.max_timestamp = Timestamp(claimed);
        let batch = check_batch(&sample::batch(header, &records(&DELTAS)), 9).expect("taken");
        assert_eq!(batch.header.max_timestamp, Timestamp(1007));
        let stored = [&batch.header.encode()[..], &batch.records].concat();
        assert_eq!(verify_stored(&stored, Offset(0), batch.header.leader_epoch), Ok(batch.header));
    }
}

#[test]
fn a_batch_without_timestamps_is_taken() {
    let mut header = header(&[0]);
    (header.base_timestamp, header.max_timestamp) = (NO_TIMESTAMP, NO_TIMESTAMP);
    let batch = check_batch(&sample::batch(header, &records(&[0])), 9).expect("taken");
    assert_eq!(batch.header.max_timestamp, NO_TIMESTAMP);
}

#[test]
fn a_request_keeps_its_order_and_each_partition_its_own_verdict() {
    let good = sample::batch(header(&DELTAS), &records(&DELTAS));
    let line = |index, records: Option<Bytes>| {
        PartitionProduceData::default().with_index(index).with_records(records)
    };
    let topic = TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_static_str("orders")))
        .with_topic_id(Uuid::from_u128(9))
        .with_partition_data([line(4, Some(good)), line(1, None)].into());
    let request = ProduceRequest::default().with_acks(1).with_topic_data([topic].into());
    let intake = intake(request, 9, 0);
    assert_eq!((intake.acks, intake.transactional_id), (1, None));
    let topic = &intake.topics[0];
    assert_eq!((topic.name.as_str(), topic.id.0[15]), ("orders", 9));
    let indexes: Vec<_> = topic.partitions.iter().map(|p| (p.index, p.batch.is_ok())).collect();
    assert_eq!(indexes, [(4, true), (1, false)]);
}
