//! Record batches on their way to a broker (the format: `evenkeel_core::wire::batch` and `records`), and the partition that a
//! key belongs to.

use bytes::Bytes;
use evenkeel_core::{
    units::{Offset, ProducerId, Timestamp},
    wire::batch::{BatchHeader, CRC_COVERS_FROM, HEADER_BYTES, LENGTH_OVERHEAD},
};

/// Most bytes that a record takes beside its key, its value and its headers.
pub(super) const RECORD_OVERHEAD_BYTES: usize = 32;

/// A record to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Vec<u8>,
}

/// Who sends, so that a broker notices what it has already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Producer {
    pub(super) id: i64,
    pub(super) epoch: i16,
}

/// A batch without compression. All records have the same headers and the same time.
pub(super) fn encode(
    records: &[Outgoing],
    headers: &[(String, String)],
    producer: Option<(Producer, i32)>,
    now: Timestamp,
) -> Bytes {
    let mut bytes = vec![0; HEADER_BYTES];
    let mut body = Vec::new();
    for (at, record) in records.iter().enumerate() {
        body.clear();
        body.extend_from_slice(&[0, 0]); // Attributes, and no distance in time.
        varint(as_i64(at), &mut body);
        field(record.key.as_deref(), &mut body);
        field(Some(&record.value), &mut body);
        varint(as_i64(headers.len()), &mut body);
        for (name, value) in headers {
            field(Some(name.as_bytes()), &mut body);
            field(Some(value.as_bytes()), &mut body);
        }
        varint(as_i64(body.len()), &mut bytes);
        bytes.extend_from_slice(&body);
    }
    let count = i32::try_from(records.len()).expect("a batch is bounded by its bytes");
    let mut header = BatchHeader {
        base_offset: Offset(0),
        batch_length: i32::try_from(bytes.len() - LENGTH_OVERHEAD).expect("a batch is bounded by its bytes"),
        leader_epoch: -1,
        magic: 2,
        crc: 0,
        attributes: 0,
        last_offset_delta: count - 1,
        base_timestamp: now,
        max_timestamp: now,
        producer_id: ProducerId(producer.map_or(-1, |(producer, _)| producer.id)),
        producer_epoch: producer.map_or(-1, |(producer, _)| producer.epoch),
        base_sequence: producer.map_or(-1, |(_, sequence)| sequence),
        record_count: count,
    };
    bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
    header.crc = crc32c::crc32c(&bytes[CRC_COVERS_FROM..]);
    bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
    Bytes::from(bytes)
}

fn as_i64(size: usize) -> i64 {
    i64::try_from(size).expect("sizes in memory are small")
}

fn field(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    match bytes {
        None => varint(-1, out),
        Some(bytes) => {
            varint(as_i64(bytes.len()), out);
            out.extend_from_slice(bytes);
        }
    }
}

/// Zigzag and base 128.
fn varint(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// The partition of a key, the same as Java clients choose: murmur2 without its sign, modulo the number of partitions.
pub(super) fn partition_of(key: &[u8], partitions: i32) -> i32 {
    (murmur2(key) & 0x7fff_ffff).cast_signed() % partitions
}

fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let mut hash = 0x9747_b28c ^ bytes.len() as u32;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> 24;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ hash >> 15
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::records::Incoming;

    #[test]
    fn a_batch_is_read_as_it_was_written() {
        let outgoing = [
            Outgoing { key: Some(b"k".to_vec()), value: b"v".to_vec() },
            Outgoing { key: None, value: vec![] },
            Outgoing { key: Some(vec![]), value: vec![0xff; 300] },
        ];
        let headers = [(String::from("a"), String::from("1")), (String::from("a"), String::from("2"))];
        let producer = Some((Producer { id: 7, epoch: 1 }, 40));
        let batch = encode(&outgoing, &headers, producer, Timestamp(1_700_000_000_000));
        let head = BatchHeader::parse(batch.first_chunk().expect("a header"));
        assert_eq!((head.producer_id.0, head.producer_epoch, head.base_sequence), (7, 1, 40));
        let mut seen = Vec::new();
        let upto = crate::cli::records::walk(&batch, |record: &Incoming<'_>| {
            assert_eq!(record.timestamp, 1_700_000_000_000);
            let headers: Vec<_> = record.headers().collect();
            assert_eq!(headers, [(&b"a"[..], Some(&b"1"[..])), (&b"a"[..], Some(&b"2"[..]))]);
            seen.push((record.offset, record.key.map(Vec::from), record.value.map(Vec::from)));
            Ok(true)
        });
        assert_eq!(upto.expect("sound"), Some(3));
        let sent = outgoing.iter().zip(0..);
        let sent: Vec<_> = sent.map(|(out, at)| (at, out.key.clone(), Some(out.value.clone()))).collect();
        assert_eq!(seen, sent);
    }

    #[test]
    fn keys_go_where_java_clients_send_them() {
        // From the tests of Kafka's own library.
        for (key, hash) in [
            (&b"21"[..], -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key).cast_signed(), hash);
        }
        assert!((0..100u32).all(|key| (0..7).contains(&partition_of(&key.to_be_bytes(), 7))));
    }
}
