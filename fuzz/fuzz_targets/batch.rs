//! Record batches with hostile lengths, counts and codecs: see `evenkeel_fuzz::hostile`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evenkeel_fuzz::hostile::hostile(bytes));
