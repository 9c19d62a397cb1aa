//! The bytes of the identity file: never a panic; what is accepted is written back byte for byte. Its checksum is made right
//! too, so that the fuzzer gets past it.
#![no_main]

use evenkeel_core::log::identity::Identity;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = Identity::decode(bytes);
    let mut bytes = bytes.to_vec();
    if bytes.len() < 12 {
        return;
    }
    bytes[..8].copy_from_slice(b"EKIDENT1");
    let crc = crc32c::crc32c(&bytes[12..]);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    if let Ok(identity) = Identity::decode(&bytes) {
        assert_eq!(identity.encode(), bytes);
    }
});
