//! Frames from a client, of any API and version: a decoded request or a close, never a panic, memory in proportion.
#![no_main]

use bytes::Bytes;
use evenkeel_core::wire::session::{Session, frame_len};
use evenkeel_fuzz::memory::peak_of;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(prefix) = bytes.first_chunk() {
        let _ = frame_len(*prefix);
    }
    let mut session = Session::new();
    // The first byte of each frame is its length in 16 bytes.
    let mut rest = bytes;
    while let Some((&len, behind)) = rest.split_first() {
        let (frame, behind) = behind.split_at((usize::from(len) * 16).min(behind.len()));
        rest = behind;
        let (received, peak) = peak_of(|| session.receive(Bytes::copy_from_slice(frame)));
        assert!(peak <= (72 << 10) + 17 * frame.len(), "{peak} bytes for a frame of {}", frame.len());
        if received.is_err() {
            return;
        }
        while session.next_frame().is_some() {}
    }
});
