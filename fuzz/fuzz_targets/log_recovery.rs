//! A life of a broker, damage to its log, and the start after it: see `evenkeel_fuzz::judge`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    evenkeel_fuzz::judge::judge(bytes);
});
