//! The bytes of a segment file, as they are and with checksums made right: never a panic, memory in proportion, and what is
//! said of them holds together.
#![no_main]

use evenkeel_core::log::scan::scan_bytes;
use evenkeel_fuzz::{made_right::made_right, memory::peak_of};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    let mut bytes = bytes.to_vec();
    made_right(&mut bytes);
    check(&bytes);
});

fn check(bytes: &[u8]) {
    let (scan, peak) = peak_of(|| scan_bytes(bytes, None));
    assert!(peak <= 4096 + 64 * bytes.len(), "{peak} bytes for {}", bytes.len());
    assert!(scan.chained <= scan.groups.len());
    assert!(scan.end <= scan.dirty_upto);
    let mut next = None;
    for group in &scan.groups[..scan.chained] {
        assert!(group.is_intact());
        assert!(next.is_none_or(|next| next == group.header.first), "a chain has no gap");
        next = Some(group.header.upto());
    }
    assert_eq!(scan, scan_bytes(bytes, None), "the same bytes say the same");
}
