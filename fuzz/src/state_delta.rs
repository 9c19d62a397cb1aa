//! One run of the `state_delta` target: any bytes as a delta, as they are and with the checksum made right; and the delta between two
//! texts, one an edit of the other, which is then damaged.

use evenkeel_core::store::delta::{Delta, MAGIC, Step};

use crate::{choices::Choices, memory::peak_of};

/// What reading may hold at one time for each byte, and besides.
const PEAK_PER_BYTE: usize = 8;
const PEAK_BESIDES: usize = 4 << 10;
/// Bytes that a delta may make.
const RESULT_BYTES_MAX: u64 = 1 << 16;
const EDIT_BYTES: usize = 1 + 4 * 6;

/// Reads a delta, or makes one.
///
/// # Panics
/// A finding.
pub fn state_delta(bytes: &[u8]) {
    read(bytes, &[]);
    let mut choices = Choices::new(bytes);
    match choices.below(2) {
        0 => {
            let base = vec![choices.byte(); choices.byte().into()];
            let behind = choices.rest();
            let mut bytes = MAGIC.to_vec();
            bytes.extend_from_slice(&crc32c::crc32c(behind).to_le_bytes());
            bytes.extend_from_slice(behind);
            read(&bytes, &base);
        }
        _ => {
            let (mut edits, at, bit) = (choices.part(EDIT_BYTES), choices.u16(), choices.below(8));
            // Something that is long enough to have many chunks.
            let base = choices.rest().repeat(1 + edits.below(20));
            let result = edited(&base, &mut edits);
            let bytes = Delta::between(&base, &result).encode();
            let whole = Delta::decode(&bytes).expect("it was just written");
            assert_eq!(whole.apply(&base, result.len() as u64).as_ref(), Ok(&result));
            if !result.is_empty() {
                assert!(whole.apply(&base, result.len() as u64 - 1).is_err(), "more than may be");
            }
            assert!(base == result || whole.apply(&result, RESULT_BYTES_MAX).is_err(), "another base");
            let mut damaged = bytes.clone();
            damaged[usize::from(at) % bytes.len()] ^= 1 << bit;
            assert!(Delta::decode(&damaged).is_err(), "one bit is no checksum");
        }
    }
}

/// What is accepted fulfils what is promised, and is written back byte for byte.
fn read(bytes: &[u8], base: &[u8]) {
    let (delta, peak) = peak_of(|| Delta::decode(bytes));
    assert!(
        peak <= PEAK_BESIDES + PEAK_PER_BYTE * bytes.len(),
        "{peak} bytes for a delta of {}",
        bytes.len()
    );
    let Ok(delta) = delta else { return };
    assert_eq!(delta.encode(), bytes, "what is accepted is written back");
    let made: u64 = delta.steps.iter().map(|step| step.len() as u64).sum();
    assert_eq!(made, delta.result.0, "its steps make what it says");
    for step in &delta.steps {
        if let Step::Copy(range) = step {
            assert!(
                range.start <= range.end && range.end as u64 <= delta.base.0,
                "{range:?} of {:?}",
                delta.base
            );
        }
    }
    let told = (base.len() as u64, crc32c::crc32c(base));
    let (made, peak) = peak_of(|| delta.apply(base, RESULT_BYTES_MAX));
    let most = usize::try_from(RESULT_BYTES_MAX).expect("small");
    assert!(peak <= PEAK_BESIDES + most, "{peak} bytes");
    if let Ok(made) = made {
        assert_eq!(told, delta.base, "it is of another base");
        assert_eq!((made.len() as u64, crc32c::crc32c(&made)), delta.result, "it makes something else");
    }
}

/// The same with up to four changes.
fn edited(base: &[u8], edits: &mut Choices<'_>) -> Vec<u8> {
    let mut result = base.to_vec();
    for _ in 0..edits.below(5) {
        let (one, other) = (usize::from(edits.u16()), usize::from(edits.u16()));
        let (one, other) = (one % (result.len() + 1), other % (result.len() + 1));
        let range = one.min(other)..one.max(other);
        match edits.below(5) {
            0 => drop(result.drain(range)),
            1 => result.extend_from_within(range),
            2 => result[range].iter_mut().step_by(97).for_each(|byte| *byte = byte.wrapping_add(1)),
            3 => result[range].reverse(),
            _ => drop(result.splice(one..one, [7; 40])),
        }
        result.truncate(usize::try_from(RESULT_BYTES_MAX).expect("small"));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_and_every_choice_are_taken() {
        let mut random = evenkeel_core::random::Random::new(5);
        for round in 0..2000 {
            let bytes: Vec<u8> = (0..round % 300).map(|_| random.bits() as u8).collect();
            state_delta(&bytes);
        }
    }
}
