//! Variable-length integers: seven bits a byte, lowest first, high bit set on all but the last (KIP-98, KIP-482).
//!
//! Each function takes the integer off the front of the bytes. `None`: the bytes end inside it, or it is
//! longer or larger than its type. Spellings with needless trailing zero groups are accepted, as Kafka does.

/// An unsigned integer of at most 32 bits, 1 to 5 bytes.
#[inline]
pub(super) fn unsigned(bytes: &mut &[u8]) -> Option<u32> {
    // Nearly all there are: lengths, deltas and counts below 128, at one compare each.
    if let [one @ 0..0x80, rest @ ..] = *bytes {
        *bytes = rest;
        return Some(u32::from(*one));
    }
    u32::try_from(long(bytes, 5)?).ok()
}

/// A zigzag-encoded signed integer of at most 32 bits, 1 to 5 bytes.
#[inline]
pub(super) fn signed(bytes: &mut &[u8]) -> Option<i32> {
    let value = unsigned(bytes)?;
    // Zigzag: the lowest bit is the sign. Both casts only reinterpret bits.
    Some((value >> 1) as i32 ^ -((value & 1) as i32))
}

/// A zigzag-encoded signed integer of at most 64 bits, 1 to 10 bytes.
#[inline]
pub(super) fn signed_long(bytes: &mut &[u8]) -> Option<i64> {
    let value = if let [one @ 0..0x80, rest @ ..] = *bytes {
        *bytes = rest;
        u64::from(*one)
    } else {
        long(bytes, 10)?
    };
    Some((value >> 1) as i64 ^ -((value & 1) as i64))
}

#[inline]
fn long(bytes: &mut &[u8], len_max: usize) -> Option<u64> {
    if let [low, high @ 0..0x80, rest @ ..] = *bytes {
        *bytes = rest;
        return Some(u64::from(low & 0x7f) | u64::from(*high) << 7);
    }
    longer(bytes, len_max)
}

fn longer(bytes: &mut &[u8], len_max: usize) -> Option<u64> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().take(len_max).enumerate() {
        let group = u64::from(byte & 0x7f);
        let shifted = group << (7 * at);
        // The tenth byte has room for one bit.
        if shifted >> (7 * at) != group {
            return None;
        }
        value |= shifted;
        if *byte < 0x80 {
            *bytes = &bytes[at + 1..];
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests;
