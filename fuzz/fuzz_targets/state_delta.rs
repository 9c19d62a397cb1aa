//! What has changed from one state to the next: any bytes as one, and one between two texts that are nearly the same: see
//! `evenkeel_fuzz::state_delta`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evenkeel_fuzz::state_delta::state_delta(bytes));
