use alloc::vec;

use super::*;
use crate::wire::sample::{self, Dice, header, put_signed, record, records};

/// One batch of Kafka's own library (kafka-clients 4.1) in each codec: four records with timestamps
/// 1,700,000,000,000 and 5, 3, 9 ms later.
const BY_KAFKA: [&str; 5] = [
    "00000000000000000000014dffffffff021215ac5a0000000000030000018bcfe568000000018bcfe56809ffffffffffffff\
     ffffffffffffff000000048a010000000a6b6579203074612076616c75652074686174207265706561747320697473656c66\
     2c20612076616c75652074686174207265706561747320697473656c662030008a01000a020a6b6579203174612076616c75\
     652074686174207265706561747320697473656c662c20612076616c75652074686174207265706561747320697473656c66\
     2031008a010006040a6b6579203274612076616c75652074686174207265706561747320697473656c662c20612076616c75\
     652074686174207265706561747320697473656c662032008a010012060a6b6579203374612076616c756520746861742072\
     65706561747320697473656c662c20612076616c75652074686174207265706561747320697473656c66203300",
    "000000000000000000000095ffffffff0251f7b58b0001000000030000018bcfe568000000018bcfe56809ffffffffffffff\
     ffffffffffffff000000041f8b08000000000000ffeb62646060e0ca4ead5430284954284bcc294d5528c9482c51284a2d48\
     4d2c2956c82c294ecd49d351c023a960c0d0c5c8c0c50436c6907c630c41c6b0b1808d3122df18239031426c60638cc937c6\
     9801008d5f14a61c010000",
    "0000000000000000000000a3ffffffff02ab18b12e0002000000030000018bcfe568000000018bcfe56809ffffffffffffff\
     ffffffffffffff0000000482534e415050590000000001000000010000005e9c02a08a010000000a6b657920307461207661\
     6c75652074686174207265706561747320697473656c662c206a1d001c2030008a01000a0205470031e64700003101470406\
     0405470032e647000032014704120605470033e64700043300",
    "0000000000000000000000a0ffffffff02be2efd030003000000030000018bcfe568000000018bcfe56809ffffffffffffff\
     ffffffffffffff0000000404224d1860408260000000ff1a8a010000000a6b6579203074612076616c756520746861742072\
     65706561747320697473656c662c201d0008812030008a01000a0247001f314700271031470021060447001f324700271032\
     470021120647001f33470024506c6620330000000000",
    "000000000000000000000091ffffffff02f5598c500004000000030000018bcfe568000000018bcfe56809ffffffffffffff\
     ffffffffffffff0000000428b52ffd0058a40200c4038a010000000a6b6579203074612076616c7565207468617420726570\
     6561747320697473656c662c202030008a01000a02313106043232120633330009000747004110b08323802008d8e1082508\
     3c205465010000",
];

fn by_kafka(codec: usize) -> Bytes {
    let digits = BY_KAFKA[codec].as_bytes();
    let digit = |d: u8| (d as char).to_digit(16).expect("a hex digit") as u8;
    digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

#[test]
fn batches_of_kafka_itself_are_searched_in_every_codec() {
    const FIRST: i64 = 1_700_000_000_000;
    for codec in 0..5 {
        let batch = [by_kafka(codec)];
        let header = BatchHeader::parse(batch[0].first_chunk().expect("a header"));
        assert_eq!(usize::try_from(header.codec()), Ok(codec));
        let find = |after: i64| find_by_timestamp(&batch, Offset(0), Timestamp(FIRST + after));
        let at = |offset, after: i64| Ok(Some((Offset(offset), Timestamp(FIRST + after))));
        assert_eq!(find(-1000), at(0, 0), "codec {codec}");
        assert_eq!(find(0), at(0, 0), "codec {codec}");
        assert_eq!(find(1), at(1, 5), "codec {codec}");
        assert_eq!(find(5), at(1, 5), "codec {codec}");
        assert_eq!(find(6), at(3, 9), "codec {codec}");
        assert_eq!(find(9), at(3, 9), "codec {codec}");
        assert_eq!(find(10), Ok(None), "codec {codec}");
    }
}

#[test]
fn records_of_kafka_itself_are_walked() {
    let batch = by_kafka(0);
    let walked: Vec<_> = Records::of(&batch[HEADER_BYTES..]).map(|r| r.expect("valid")).collect();
    assert_eq!(walked.len(), 4);
    assert_eq!(walked[2].key, Some(&b"key 2"[..]));
    assert_eq!(walked[2].value.map(<[u8]>::len), Some(58));
    assert_eq!((walked[2].timestamp_delta, walked[2].offset_delta, walked[2].header_count), (3, 2, 0));
}

#[test]
fn batches_of_kafka_itself_inflate_to_the_same_records_in_every_codec() {
    let plain = by_kafka(0).slice(HEADER_BYTES..);
    for codec in 0..5 {
        let batch = by_kafka(codec);
        let inflated = inflate(codec as i16, &batch[HEADER_BYTES..]).expect("sound");
        assert_eq!(&inflated[..], &plain[..], "codec {codec}");
    }
    assert_eq!(inflate(5, b""), Err(RecordDamage), "no such codec");
    assert_eq!(inflate(1, &by_kafka(1)[HEADER_BYTES..][..40]), Err(RecordDamage), "cut");
}

#[test]
fn headers_come_in_order_twice_the_same_key_and_null_values_included() {
    let mut bytes = Vec::new();
    let body = [0, 0, 0, 1, 1, 6, 2, b'k', 2, b'1', 2, b'k', 0, 4, b'l', 0xff, 1];
    put_signed(&mut bytes, body.len() as i64);
    bytes.extend(body);
    let record = Records::of(&bytes).next().expect("one").expect("sound");
    let headers: Vec<(&[u8], Option<&[u8]>)> = record.headers().collect();
    assert_eq!(headers, [(&b"k"[..], Some(&b"1"[..])), (b"k", Some(b"")), (b"l\xff", None)]);
}

#[test]
fn keys_values_and_headers_may_be_null_or_empty_as_the_format_says() {
    let with = |tail: &[u8]| {
        let mut body = vec![0, 0, 0];
        body.extend_from_slice(tail);
        let mut bytes = Vec::new();
        put_signed(&mut bytes, body.len() as i64);
        bytes.extend(body);
        Records::of(&bytes)
            .next()
            .expect("one")
            .map(|r| (r.key.map(Vec::from), r.value.map(Vec::from), r.header_count))
    };
    assert_eq!(with(&[1, 1, 0]), Ok((None, None, 0)));
    assert_eq!(with(&[0, 2, 7, 0]), Ok((Some(vec![]), Some(vec![7]), 0)));
    assert_eq!(with(&[1, 1, 4, 0, 0, 2, b'k', 1]), Ok((None, None, 2)));
    assert_eq!(with(&[1, 1, 2, 1, 0]), Err(RecordDamage), "a header key that is null");
    assert_eq!(with(&[3, 1, 0]), Err(RecordDamage), "a key of length -2");
    assert_eq!(with(&[1, 1, 1]), Err(RecordDamage), "-1 headers");
    assert_eq!(with(&[1, 1, 0, 0]), Err(RecordDamage), "a byte too many");
    assert_eq!(with(&[1, 4, 0]), Err(RecordDamage), "a value beyond the record");
}

#[test]
fn the_walk_ends_at_damage_and_never_panics() {
    let whole = records(&[0, 5, -3, 900]);
    let starts: Vec<usize> = (0..=4).map(|n| records(&[0, 5, -3, 900][..n]).len()).collect();
    for len in 0..whole.len() {
        let walked: Vec<_> = Records::of(&whole[..len]).collect();
        let complete = starts.iter().filter(|start| **start <= len).count() - 1;
        assert_eq!(walked.iter().filter(|r| r.is_ok()).count(), complete, "cut at {len}");
        assert_eq!(walked.len(), complete + usize::from(!starts.contains(&len)), "cut at {len}");
    }
    for seed in 0..3000 {
        let noise = Dice(seed).bytes(60);
        assert!(Records::of(&noise).count() <= noise.len());
        let mut damaged = whole.clone();
        let mut dice = Dice(seed);
        let at = dice.below(damaged.len() as u64) as usize;
        damaged[at] = dice.roll() as u8;
        Records::of(&damaged).for_each(drop);
    }
}

/// The batch whole and cut into slices at random.
fn cut(dice: &mut Dice, mut bytes: Bytes) -> Vec<Bytes> {
    let mut slices = Vec::new();
    while dice.coin() && !bytes.is_empty() {
        slices.push(bytes.split_to(dice.below(bytes.len() as u64 + 1) as usize));
    }
    slices.push(bytes);
    slices
}

#[test]
fn the_record_found_is_the_first_that_a_naive_search_finds() {
    for seed in 0..600 {
        let mut dice = Dice(seed);
        let deltas: Vec<i64> = (0..1 + dice.below(40)).map(|_| dice.below(50) as i64 - 10).collect();
        let codec = dice.below(5) as i16;
        let mut header = header(&deltas);
        header.base_offset = Offset(dice.below(1 << 40) as i64);
        header.attributes = codec;
        let compressed = sample::compressed(&mut dice, codec, &records(&deltas));
        let batch = cut(&mut dice, sample::batch(header, &compressed));
        let wanted = 1000 + dice.below(60) as i64 - 12;
        let naive = (0..deltas.len()).find(|at| 1000 + deltas[*at] >= wanted);
        let naive = naive.map(|at| (header.base_offset.plus(at as i64), Timestamp(1000 + deltas[at])));
        assert_eq!(
            find_by_timestamp(&batch, Offset(0), Timestamp(wanted)),
            Ok(naive),
            "seed {seed} codec {codec}"
        );
    }
}

#[test]
fn a_record_is_found_in_a_batch_of_megabytes_in_every_codec() {
    let lines = 40_000i64;
    let deltas: Vec<i64> = (0..lines).collect();
    let mut plain = records(&deltas);
    // One value larger than every piece that a codec comes in.
    let long = Dice(1).bytes(2).iter().copied().cycle().take(9 << 20).collect::<Vec<u8>>();
    plain.extend(record(lines, lines as i32, &long));
    plain.extend(record(lines + 1, lines as i32 + 1, b"behind it"));
    let deltas: Vec<i64> = (0..lines + 2).collect();
    for codec in 0..5 {
        let mut header = header(&deltas);
        header.attributes = codec;
        let batch = [sample::batch(header, &sample::compressed(&mut Dice(3), codec, &plain))];
        for wanted in [0, 777, lines, lines + 1] {
            let found = find_by_timestamp(&batch, Offset(0), Timestamp(1000 + wanted));
            assert_eq!(found, Ok(Some((Offset(wanted), Timestamp(1000 + wanted)))), "codec {codec}");
        }
    }
}

#[test]
fn under_append_time_every_record_has_the_batchs_time() {
    let mut header = header(&[0, 5]);
    header.base_offset = Offset(40);
    header.stamp_append_time(Timestamp(9000), 10);
    let batch = [sample::batch(header, &records(&[0, 5]))];
    assert_eq!(
        find_by_timestamp(&batch, Offset(0), Timestamp(1005)),
        Ok(Some((Offset(40), Timestamp(9000))))
    );
    assert_eq!(
        find_by_timestamp(&batch, Offset(0), Timestamp(9000)),
        Ok(Some((Offset(40), Timestamp(9000))))
    );
    assert_eq!(find_by_timestamp(&batch, Offset(0), Timestamp(9001)), Ok(None));
}

#[test]
fn a_damaged_batch_is_an_error_and_never_a_panic() {
    for seed in 0..2000 {
        let mut dice = Dice(seed);
        let codec = dice.below(8) as i16;
        let mut header = header(&[0, 1, 2]);
        header.attributes = codec;
        header.max_timestamp = Timestamp(i64::MAX);
        header.base_timestamp = Timestamp(if dice.coin() { i64::MAX - 1 } else { 0 });
        let mut bytes = sample::compressed(&mut dice, codec.min(4), &records(&[0, 1, 2]));
        for _ in 0..dice.below(3) {
            let at = dice.below(bytes.len() as u64) as usize;
            bytes[at] = dice.roll() as u8;
        }
        bytes.truncate(bytes.len() - dice.below(20) as usize % bytes.len());
        let found = find_by_timestamp(&[sample::batch(header, &bytes)], Offset(0), Timestamp(i64::MAX));
        if codec > 4 {
            assert_eq!(found, Err(RecordDamage), "seed {seed} codec {codec}");
        }
    }
    assert_eq!(find_by_timestamp(&[], Offset(0), Timestamp(0)), Err(RecordDamage));
    assert_eq!(
        find_by_timestamp(&[Bytes::from_static(&[0; 60])], Offset(0), Timestamp(0)),
        Err(RecordDamage)
    );
}

#[test]
fn a_batch_that_inflates_beyond_the_bound_is_given_up() {
    // A record that says it is as long as the bound, in a gzip stream of zeros.
    let mut plain = Vec::new();
    put_signed(&mut plain, INFLATED_BYTES_MAX as i64);
    plain.resize(INFLATED_BYTES_MAX + 100, 0);
    let compressed = sample::gzip(&plain);
    assert!(compressed.len() < 1 << 20);
    let mut header = header(&[0, 1]);
    header.attributes = 1;
    assert_eq!(inflate(1, &compressed), Err(RecordDamage));
    assert_eq!(
        find_by_timestamp(&[sample::batch(header, &compressed)], Offset(0), Timestamp(1001)),
        Err(RecordDamage)
    );
}
