use alloc::{format, vec::Vec};

use bytes::{BufMut, BytesMut};
use kafka_protocol::{
    messages::{ApiKey, FetchRequest, RequestKind},
    protocol::Decodable,
};

use super::*;
use crate::wire::{
    api::{Api, SERVED, Served},
    sample::{Dice, body, versions},
    schema,
};

/// As [`walk`], for bodies with nothing behind them.
fn whole(api: Api, version: i16, body: &[u8]) -> Result<(), Malformed> {
    walk(api, version, body).map(|len| assert_eq!(len, body.len(), "all of it"))
}

fn walk(api: Api, version: i16, body: &[u8]) -> Result<usize, Malformed> {
    let served: &Served = SERVED.iter().find(|served| served.api == api).expect("the table holds every API");
    check(schema::request(api), version, served.is_flexible(version), body).map(|shape| shape.len)
}

fn again(served: &Served, body: &Bytes, version: i16) -> Bytes {
    let mut rest = body.clone();
    let key = ApiKey::try_from(served.key).expect("a key of Kafka's");
    let message = RequestKind::decode(key, &mut rest, version).expect("valid");
    assert!(rest.is_empty());
    let mut out = BytesMut::new();
    message.encode(&mut out, version).expect("decoded from that version");
    out.freeze()
}

#[test]
fn every_valid_request_passes_and_comes_back_from_the_decoder_as_it_was() {
    for (served, version) in versions() {
        for seed in 0..200 {
            let body = body(&mut Dice(seed), served.api, version);
            let context = format!("{:?} version {version} seed {seed}", served.api);
            assert_eq!(whole(served.api, version, &body), Ok(()), "{context}");
            let back = again(served, &body, version);
            assert_eq!(back, body, "{context}");
        }
    }
}

#[test]
fn no_prefix_of_a_valid_request_passes_and_bytes_behind_one_are_not_part_of_it() {
    for (served, version) in versions() {
        for seed in 0..20 {
            let mut body = body(&mut Dice(seed), served.api, version).to_vec();
            let context = format!("{:?} version {version} seed {seed}", served.api);
            for len in 0..body.len() {
                assert!(walk(served.api, version, &body[..len]).is_err(), "{context} cut at {len}");
            }
            let len = body.len();
            body.extend_from_slice(&[1, 0, 0]);
            assert_eq!(walk(served.api, version, &body), Ok(len), "{context}");
        }
    }
}

#[test]
fn what_passes_never_makes_the_decoder_read_past_it_or_leave_some() {
    for (served, version) in versions().filter(|(served, _)| served.api == Api::Fetch) {
        for seed in 0..500 {
            let mut dice = Dice(seed);
            let mut bytes = body(&mut dice, served.api, version).to_vec();
            for _ in 0..1 + dice.below(3) {
                let at = dice.below(bytes.len() as u64) as usize;
                bytes[at] = dice.below(20) as u8;
            }
            let Ok(len) = walk(served.api, version, &bytes) else { continue };
            let mut rest = Bytes::from(bytes).slice(..len);
            if FetchRequest::decode(&mut rest, version).is_ok() {
                assert!(rest.is_empty(), "version {version} seed {seed}");
            }
        }
    }
}

#[test]
fn counts_and_lengths_beyond_the_request_are_refused() {
    let short = |field| Err(Malformed { field, flaw: Flaw::Short });
    assert_eq!(walk(Api::Metadata, 1, &[0x7f, 0xff, 0xff, 0xff]), short("topics"));
    assert_eq!(walk(Api::Metadata, 9, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0]), short("topics"));
    assert_eq!(walk(Api::Metadata, 1, &[0, 0, 0, 1, 0x7f, 0xff]), short("name"));
    // A count of three two-byte names, in five bytes.
    assert_eq!(walk(Api::Metadata, 1, &[0, 0, 0, 3, 0, 0, 0, 0, 0]), short("topics"));
    let produce =
        [0xff, 0xff, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff];
    assert_eq!(walk(Api::Produce, 3, &produce), short("records"));
}

#[test]
fn malformed_lengths_are_refused() {
    let flaw = |field, flaw| Err(Malformed { field, flaw });
    assert_eq!(walk(Api::Metadata, 1, &[0xff, 0xff, 0xff, 0xfe]), flaw("topics", Flaw::Integer));
    assert_eq!(walk(Api::Metadata, 1, &[0, 0, 0, 1, 0xff, 0xfe]), flaw("name", Flaw::Integer));
    assert_eq!(walk(Api::Metadata, 9, &[0xff; 9]), flaw("topics", Flaw::Integer));
    assert_eq!(walk(Api::Metadata, 9, &[0x80, 0x80]), flaw("topics", Flaw::Short));
}

#[test]
fn null_is_taken_only_where_a_version_allows_it() {
    let null = |field| Err(Malformed { field, flaw: Flaw::Null });
    assert_eq!(walk(Api::Metadata, 0, &[0xff; 4]), null("topics"));
    assert_eq!(whole(Api::Metadata, 1, &[0xff; 4]), Ok(()));
    assert_eq!(walk(Api::Metadata, 9, &[2, 0, 0, 1, 0, 0, 0]), null("name"));
    let mut by_id = BytesMut::new();
    by_id.put_u8(2);
    by_id.put_slice(&[7; 16]);
    by_id.put_slice(&[0, 0, 1, 0, 0]);
    assert_eq!(whole(Api::Metadata, 12, &by_id), Ok(()));
    assert_eq!(walk(Api::ListOffsets, 1, &[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]), null("topics"));
}

#[test]
fn a_known_tagged_field_must_be_as_long_as_it_says() {
    // A fetch of version 12 without topics, whose cluster id is tag 0: length, then a compact string.
    let fetch = |tagged: &[u8]| {
        let mut out = BytesMut::new();
        out.put_slice(&[0; 4 + 4 + 4 + 4 + 1 + 4 + 4]);
        out.put_slice(&[1, 1, 1]);
        out.put_slice(tagged);
        whole(Api::Fetch, 12, &out)
    };
    assert_eq!(fetch(&[1, 0, 3, 3, b'h', b'i']), Ok(()));
    assert_eq!(fetch(&[1, 0, 1, 0]), Ok(()), "null");
    assert_eq!(fetch(&[1, 0, 4, 3, b'h', b'i', 0]).expect_err("too long").flaw, Flaw::TagLength);
    assert_eq!(fetch(&[1, 0, 2, 3, b'h', b'i']).expect_err("too short").flaw, Flaw::Short);
    assert_eq!(fetch(&[1, 9, 2, 3, b'h']), Ok(()), "an unknown one");
}

#[test]
fn more_tagged_fields_than_the_limit_are_refused() {
    let mut body = Vec::from([1, 0, 0, 0]);
    body.extend([0x91, 0x4e]); // 10,001
    body.extend((0..10_001u32).flat_map(|_| [100, 0]));
    assert_eq!(walk(Api::Metadata, 9, &body).expect_err("too many").flaw, Flaw::Elements);
}

#[test]
fn more_elements_than_the_limit_are_refused_wherever_they_are() {
    let mut body = BytesMut::new();
    body.put_i32(1_000_001);
    body.put_bytes(0, 2 * 1_000_001);
    body.put_i32(0);
    assert_eq!(walk(Api::DeleteTopics, 1, &body).expect_err("too many").flaw, Flaw::Elements);
    let mut body = BytesMut::new();
    body.put_i32(2);
    for _ in 0..2 {
        body.put_slice(&[0, 1, b't', 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]);
        body.put_i32(500_001);
        body.put_bytes(0, 4 * 500_001);
        body.put_i32(0);
    }
    body.put_slice(&[0; 5]);
    assert_eq!(walk(Api::CreateTopics, 2, &body).expect_err("too many together").flaw, Flaw::Elements);
}

#[test]
fn elements_too_small_for_the_memory_they_take_are_refused_in_masses() {
    // Partitions without records: 6 bytes each.
    let mut body = BytesMut::new();
    body.put_slice(&[0, 0, 1, 0, 0, 0, 0, 2, 2, b't', 0x91, 0x4e]);
    (0..10_000).for_each(|_| body.put_slice(&[0, 0, 0, 0, 0, 0]));
    body.put_slice(&[0, 0]);
    let refused = walk(Api::Produce, 9, &body).expect_err("60 kB that take megabytes");
    assert_eq!(refused, Malformed { field: "partition_data", flaw: Flaw::Memory });
    // Topics with one empty unknown tagged field each: 5 bytes for a map node of half a kilobyte.
    let mut body = BytesMut::new();
    body.put_slice(&[0x91, 0x4e]);
    (0..10_000).for_each(|_| body.put_slice(&[2, b't', 1, 100, 0]));
    body.put_slice(&[1, 1, 1, 0]);
    let refused = walk(Api::Metadata, 9, &body).expect_err("50 kB that take megabytes");
    assert_eq!(refused.flaw, Flaw::Memory);
}

#[test]
fn a_request_that_names_four_thousand_topics_by_two_letters_passes() {
    let mut body = BytesMut::new();
    body.put_i32(4096);
    (0..4096).for_each(|_| body.put_slice(&[0, 2, b'a', b'b']));
    assert_eq!(whole(Api::Metadata, 1, &body), Ok(()));
    let mut body = BytesMut::new();
    body.put_slice(&[0x81, 0x20]);
    (0..4096).for_each(|_| body.put_slice(&[3, b'a', b'b', 0]));
    body.put_slice(&[1, 0, 0, 0]);
    assert_eq!(whole(Api::Metadata, 9, &body), Ok(()));
}

#[test]
fn malformed_tagged_fields_are_refused_as_such() {
    let cases: [(&[u8], Flaw); 6] = [
        (&[], Flaw::Short),
        (&[0xff; 6], Flaw::Integer),
        (&[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Flaw::Integer),
        (&[1, 9, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Flaw::Integer),
        (&[1, 9, 2, 0], Flaw::Short),
        (&[2, 9, 0, 0x80], Flaw::Short),
    ];
    for (tagged, flaw) in cases {
        let body = [&[1, 0, 0, 0], tagged].concat();
        let refused = walk(Api::Metadata, 9, &body);
        assert_eq!(refused, Err(Malformed { field: "tagged fields", flaw }), "{tagged:?}");
    }
}
