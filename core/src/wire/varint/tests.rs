use alloc::vec::Vec;

use super::*;

fn spelled(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

#[test]
fn every_power_of_two_and_its_neighbours_come_back() {
    for bit in 0..64 {
        for value in [(1u64 << bit) - 1, 1 << bit, (1 << bit) | 1, u64::MAX] {
            let bytes = spelled(value);
            let zigzag = (value >> 1) as i64 ^ -((value & 1) as i64);
            assert_eq!(signed_long(&mut &bytes[..]), Some(zigzag), "{value:#x}");
            assert_eq!(unsigned(&mut &bytes[..]), u32::try_from(value).ok(), "{value:#x}");
            assert_eq!(signed(&mut &bytes[..]), i32::try_from(zigzag).ok(), "{value:#x}");
        }
    }
}

#[test]
fn what_follows_the_integer_is_left() {
    let mut bytes: &[u8] = &[0xac, 0x02, 0x07];
    assert_eq!(unsigned(&mut bytes), Some(300));
    assert_eq!(bytes, [0x07]);
}

#[test]
fn integers_that_end_early_or_are_too_large_are_refused() {
    for bytes in [
        &[][..],
        &[0x80],
        &[0xff, 0xff, 0xff, 0xff],
        &[0xff, 0xff, 0xff, 0xff, 0x10],
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
    ] {
        assert_eq!(unsigned(&mut &bytes[..]), None, "{bytes:x?}");
    }
    assert_eq!(signed_long(&mut &[0xff; 11][..]), None);
    assert_eq!(signed_long(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02][..]), None);
}
