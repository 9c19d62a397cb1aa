//! The bytes of a manifest or an index, as they are, with the checksum made right, and damaged: see `evenkeel_fuzz::manifest`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evenkeel_fuzz::manifest::manifest(bytes));
