use alloc::vec;

use super::*;
use crate::wire::{
    records::Records,
    sample::{self, Dice, put_signed},
};

/// What a walk gives, up to its end or its first damage.
fn walked(records: impl Iterator<Item = Result<(i64, i32), RecordDamage>>) -> (Vec<(i64, i32)>, bool) {
    let mut deltas = Vec::new();
    for record in records {
        match record {
            Ok(record) => deltas.push(record),
            Err(RecordDamage) => return (deltas, false),
        }
    }
    (deltas, true)
}

fn plain(bytes: &[u8]) -> (Vec<(i64, i32)>, bool) {
    walked(
        Records::of(bytes).map(|record| record.map(|record| (record.timestamp_delta, record.offset_delta))),
    )
}

fn inflated(codec: i16, bytes: &[u8]) -> (Vec<(i64, i32)>, bool) {
    let compressed = sample::compressed(&mut Dice(5), codec, bytes);
    walked(InflatedRecords::open(codec, &compressed).expect("a frame"))
}

/// A record with a key, a value of that size, and headers, one of them null.
fn a_record(dice: &mut Dice, at: i64, value_bytes: usize) -> Vec<u8> {
    let mut body = vec![0];
    put_signed(&mut body, at * 3);
    put_signed(&mut body, at);
    let field = |body: &mut Vec<u8>, bytes: &[u8]| {
        put_signed(body, bytes.len() as i64);
        body.extend_from_slice(bytes);
    };
    field(&mut body, &dice.bytes(9));
    field(&mut body, &dice.bytes(40).iter().copied().cycle().take(value_bytes).collect::<Vec<u8>>());
    put_signed(&mut body, 2);
    field(&mut body, b"trace");
    field(&mut body, &dice.bytes(30));
    field(&mut body, b"null");
    put_signed(&mut body, -1);
    let mut record = Vec::new();
    put_signed(&mut record, body.len() as i64);
    record.extend(body);
    record
}

#[test]
fn compressed_records_are_walked_as_those_of_the_same_bytes_are_that_are_not() {
    for seed in 0..400 {
        let mut dice = Dice(seed);
        let mut bytes = Vec::new();
        let mut borders = Vec::new();
        for at in 0..1 + dice.below(6) {
            // Small ones, and some around and beyond what is walked as one slice.
            let value = match dice.below(4) {
                0 => (WHOLE_BYTES_MAX as u64 - 300 + dice.below(500)) as usize,
                1 => WHOLE_BYTES_MAX + dice.below(200_000) as usize,
                _ => dice.below(200) as usize,
            };
            borders.push(bytes.len());
            bytes.extend(a_record(&mut dice, at as i64, value));
            borders.push(bytes.len());
        }
        if dice.coin() {
            // Damage where lengths are: at the front and the back of a record, or a cut.
            let border = borders[dice.below(borders.len() as u64) as usize];
            let at = (border + dice.below(24) as usize).saturating_sub(60 * dice.below(2) as usize);
            let at = at.min(bytes.len() - 1);
            if dice.below(4) == 0 { bytes.truncate(at) } else { bytes[at] ^= 1 << dice.below(8) }
        }
        let expected = plain(&bytes);
        for codec in 1..5 {
            assert_eq!(inflated(codec, &bytes), expected, "seed {seed} codec {codec}");
        }
    }
}

#[test]
fn what_a_batch_inflates_to_is_bounded() {
    // One record, well-formed but for its size.
    let mut body = vec![0, 0, 0, 1];
    let value = INFLATED_BYTES_MAX;
    put_signed(&mut body, value as i64);
    body.resize(body.len() + value, 0);
    body.push(0);
    let mut bytes = Vec::new();
    put_signed(&mut bytes, body.len() as i64);
    bytes.extend(body);
    assert_eq!(plain(&bytes), (vec![(0, 0)], true));
    for codec in [1, 2, 4] {
        assert_eq!(inflated(codec, &bytes), (vec![], false), "codec {codec}");
    }
}
