//! A small deterministic generator (SplitMix64), fed by the seed that comes in at boot. For ids, salts and jitter;
//! nothing here is a secret.

use alloc::string::String;

use crate::units::TopicId;

/// The generator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A generator whose whole future is in the seed.
    #[must_use]
    pub fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A random (version 4) UUID.
    pub fn topic_id(&mut self) -> TopicId {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.bits().to_be_bytes());
        id[8..].copy_from_slice(&self.bits().to_be_bytes());
        id[6] = (id[6] & 0x0f) | 0x40;
        id[8] = (id[8] & 0x3f) | 0x80;
        TopicId(id)
    }

    /// A cluster id as Kafka makes them: 128 bits in 22 characters of URL-safe base 64.
    pub fn cluster_id(&mut self) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let bits = u128::from(self.bits()) << 64 | u128::from(self.bits());
        // 21 characters of 6 bits and a last one of 2, as the encoding of 16 bytes has it.
        let symbol = |at: u32| {
            let six = if at < 21 { (bits >> (122 - 6 * at)) & 63 } else { (bits & 3) << 4 };
            char::from(ALPHABET[usize::try_from(six).expect("six bits")])
        };
        (0..22).map(symbol).collect()
    }
}
