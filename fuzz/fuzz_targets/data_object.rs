//! A store that a broker wrote, read through lies and damage, and data objects with forged footers: see
//! `evenkeel_fuzz::data_object`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evenkeel_fuzz::data_object::data_object(bytes));
