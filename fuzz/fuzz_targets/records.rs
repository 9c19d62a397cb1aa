//! Record batches with hostile lengths, counts and codecs: walking and searching them ends, without a panic.
#![no_main]

use bytes::Bytes;
use evenkeel_core::{
    units::Timestamp,
    wire::records::{Records, find_by_timestamp},
};

libfuzzer_sys::fuzz_target!(|input: (i64, &[u8])| {
    let (time, bytes) = input;
    assert!(Records::of(bytes).take(bytes.len() + 1).count() <= bytes.len());
    let _ = find_by_timestamp(&[Bytes::copy_from_slice(bytes)], Timestamp(time));
});
