//! Requests of every API and version through a session into a live broker and back: see `evenkeel_fuzz::dialogue`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| evenkeel_fuzz::dialogue::dialogue(bytes));
