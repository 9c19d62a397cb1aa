use alloc::vec::Vec;

use super::*;

fn sample(records: &[u8]) -> (BatchHeader, Vec<u8>) {
    let mut header = BatchHeader {
        base_offset: Offset(0x0102_0304_0506_0708),
        batch_length: i32::try_from(HEADER_BYTES + records.len() - LENGTH_OVERHEAD).expect("small"),
        leader_epoch: 7,
        magic: 2,
        crc: 0,
        attributes: 0,
        last_offset_delta: 2,
        base_timestamp: Timestamp(1_000),
        max_timestamp: Timestamp(1_002),
        producer_id: ProducerId(-1),
        producer_epoch: -1,
        base_sequence: -1,
        record_count: 3,
    };
    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(records);
    header.crc = crc32c::crc32c(&bytes[CRC_COVERS_FROM..]);
    bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
    (header, bytes)
}

#[test]
fn a_header_survives_its_encoding() {
    let (header, bytes) = sample(b"abc");
    let head: &[u8; HEADER_BYTES] = bytes[..HEADER_BYTES].try_into().expect("long enough");
    assert_eq!(BatchHeader::parse(head), header);
}

#[test]
fn append_time_moves_the_checksum_without_reading_the_records() {
    for len in [0usize, 1, 2, 61, 1000, 70_000] {
        let records: Vec<u8> = (0..len).map(|at| (at * 31 % 251) as u8).collect();
        let (mut header, mut bytes) = sample(&records);
        header.stamp_append_time(Timestamp(1_700_000_000_000), records.len());
        bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
        assert_eq!(
            verify_stored(&bytes, header.base_offset, header.leader_epoch),
            Ok(header),
            "{len} bytes of records"
        );
        assert_eq!(header.attributes & LOG_APPEND_TIME, LOG_APPEND_TIME);
    }
}

#[test]
fn every_single_damaged_byte_of_a_stored_batch_is_noticed() {
    let (header, bytes) = sample(b"some records");
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert!(verify_stored(&damaged, header.base_offset, header.leader_epoch).is_err(), "byte {at}");
    }
}
