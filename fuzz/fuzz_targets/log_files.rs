//! Files of a log that no broker wrote, and a start on them: see `evenkeel_fuzz::raw`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evenkeel_fuzz::raw::raw(bytes));
