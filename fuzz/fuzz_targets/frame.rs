//! Frames from a client, of any API and version: a decoded request or a close, never a panic.
#![no_main]

use bytes::Bytes;
use evenkeel_core::wire::session::Session;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut session = Session::new();
    // The first byte of each frame is its length in 16 bytes.
    let mut rest = bytes;
    while let Some((&len, behind)) = rest.split_first() {
        let (frame, behind) = behind.split_at((usize::from(len) * 16).min(behind.len()));
        rest = behind;
        if session.receive(Bytes::copy_from_slice(frame)).is_err() {
            return;
        }
        while session.next_frame().is_some() {}
    }
});
