//! The bytes of a checkpoint: never a panic; what is accepted is written back byte for byte. The checksum is made right
//! first, so that the fuzzer gets past it.
#![no_main]

use evenkeel_core::state::checkpoint::{decode, encode};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = decode(bytes);
    let mut bytes = bytes.to_vec();
    if bytes.len() < 12 {
        return;
    }
    bytes[..8].copy_from_slice(b"EKCKPT01");
    let crc = crc32c::crc32c(&bytes[12..]);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    if let Ok((state, lsn)) = decode(&bytes) {
        let again = encode(&state, lsn);
        assert_eq!(decode(&again).map(|(state, _)| state), Ok(state));
    }
});
