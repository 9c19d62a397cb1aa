//! Arbitrary events into a live broker: see `evenkeel_fuzz::turns`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evenkeel_fuzz::turns::turns(bytes));
