use alloc::{string::String, vec};

use super::*;

fn sample() -> GroupHeader {
    GroupHeader {
        previous: 0x0102_0304,
        salt: 0x1112_1314_1516_1718,
        first: Lsn(0x21),
        records: 2,
        kind: GroupKind::Data,
        heads_len: 14,
        bodies_len: 0x31,
        synced: Lsn(0x20),
        epoch: Epoch(0x41),
    }
}

#[test]
fn a_group_front_has_the_bytes_it_always_had() {
    let (bytes, link) = sample().encode_front(b"heads of two..");
    let hex: String = bytes.iter().map(|byte| alloc::format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "454b47524f555031df24b498040302011817161514131211210000000000000002000000000000000e00000031000000\
         200000000000000041000000000000006865616473206f662074776f2e2e"
    );
    assert_eq!(link, 0x98b4_24df);
}

#[test]
fn a_front_survives_its_encoding_and_every_flipped_bit_is_noticed() {
    let (bytes, link) = sample().encode_front(b"heads of two..");
    assert_eq!(GroupHeader::decode_front(&bytes), Some((sample(), link)));
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(GroupHeader::decode_front(&damaged), None, "bit {bit}");
    }
    for len in 0..bytes.len() {
        assert_eq!(GroupHeader::decode_front(&bytes[..len]), None, "cut at {len}");
    }
}

#[test]
fn lengths_round_up_to_whole_blocks() {
    assert_eq!(padded_len(0, 0), 4096);
    assert_eq!(padded_len(0, 4096 - 64), 4096);
    assert_eq!(padded_len(1, 4096 - 64), 8192);
    assert_eq!(GroupHeader::decode_front(&vec![0; 8192]), None);
}
