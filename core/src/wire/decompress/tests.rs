use super::*;
use crate::wire::sample::{self, Dice};

fn inflated(codec: i16, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut inflow = Inflow::open(codec, bytes)?;
    let mut out = Vec::new();
    while inflow.pull(&mut out).ok()? {}
    // Once at the end, it stays there.
    assert_eq!(inflow.pull(&mut out), Ok(false));
    Some(out)
}

fn plain(dice: &mut Dice) -> Vec<u8> {
    let len = if dice.below(8) == 0 { 700_000 } else { 2000 };
    let words: Vec<_> = (0..4).map(|_| dice.bytes(40)).collect();
    let mut out = Vec::new();
    let end = dice.below(len) as usize;
    while out.len() < end {
        match dice.below(8) {
            0 => out.extend_from_slice(&dice.bytes(300)),
            word => out.extend_from_slice(&words[word as usize % 4]),
        }
    }
    out
}

#[test]
fn what_the_reference_encoders_compress_comes_back() {
    for seed in 0..400 {
        let mut dice = Dice(seed);
        let plain = plain(&mut dice);
        let codec = 1 + dice.below(4) as i16;
        let compressed = sample::compressed(&mut dice, codec, &plain);
        assert_eq!(inflated(codec, &compressed).as_ref(), Some(&plain), "seed {seed} codec {codec}");
    }
}

#[test]
fn frames_of_zstd_may_follow_each_other() {
    let one = zstd::bulk::compress(b"one", 3).expect("small");
    let two = zstd::bulk::compress(b"two", 3).expect("small");
    assert_eq!(inflated(4, &[one, two].concat()).as_deref(), Some(&b"onetwo"[..]));
}

#[test]
fn cut_or_damaged_bytes_are_refused_or_wrong_but_never_a_panic() {
    for seed in 0..1500 {
        let mut dice = Dice(seed);
        let codec = 1 + dice.below(4) as i16;
        let mut bytes = sample::compressed(&mut dice, codec, &b"some bytes, some bytes".repeat(20));
        for _ in 0..dice.below(4) {
            let at = dice.below(bytes.len() as u64) as usize;
            bytes[at] = dice.roll() as u8;
        }
        bytes.truncate(dice.below(bytes.len() as u64 + 1) as usize);
        let _ = inflated(codec, &bytes);
        let _ = inflated(codec, &dice.bytes(200));
    }
}

#[test]
fn a_snappy_block_that_claims_gigabytes_is_refused() {
    assert_eq!(inflated(2, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0]), None);
}

#[test]
fn a_zstd_window_beyond_the_bound_is_refused() {
    // Magic, descriptor without anything, window descriptor for 2 GiB, one raw block of three bytes.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0, 0xa8, 0x19, 0, 0, b'a', b'b', b'c'];
    assert_eq!(inflated(4, &frame), None);
    let small = [0x28, 0xb5, 0x2f, 0xfd, 0, 0x68, 0x19, 0, 0, b'a', b'b', b'c'];
    assert_eq!(inflated(4, &small).as_deref(), Some(&b"abc"[..]));
}

#[test]
fn codecs_that_are_none_are_refused() {
    for codec in [-1, 0, 5, 6, 7] {
        assert_eq!(inflated(codec, b"anything"), None);
    }
}
