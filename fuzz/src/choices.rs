//! The fuzzer's bytes, read as choices. Total: behind the end every choice is the first one.

/// A cursor over the bytes that decide.
#[derive(Clone, Debug)]
pub struct Choices<'a> {
    rest: &'a [u8],
}

impl<'a> Choices<'a> {
    /// All choices of these bytes.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Choices<'a> {
        Choices { rest: bytes }
    }

    /// Whether nothing is left to choose by.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        first
    }

    /// A number below `count`, which is at least 1. One byte of choice as long as that is enough.
    pub fn below(&mut self, count: usize) -> usize {
        assert!(count > 0, "a choice needs something to choose from");
        if count <= 256 { usize::from(self.byte()) % count } else { usize::from(self.u16()) % count }
    }

    /// Two bytes.
    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// Four bytes.
    pub fn u32(&mut self) -> u32 {
        u32::from(self.u16()) | u32::from(self.u16()) << 16
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> u64 {
        u64::from(self.u32()) | u64::from(self.u32()) << 32
    }

    /// One of these.
    pub fn of<T: Copy>(&mut self, these: &[T]) -> T {
        these[self.below(these.len())]
    }

    /// The next bytes, at most `max`, as many as the first of them says.
    pub fn some_bytes(&mut self, max: usize) -> &'a [u8] {
        let len = self.below(max + 1).min(self.rest.len());
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        taken
    }

    /// A part of fixed length, taken out as choices of its own: what is inserted into it shifts nothing behind it.
    pub fn part(&mut self, len: usize) -> Choices<'a> {
        let (taken, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        Choices::new(taken)
    }

    /// Everything that is left.
    #[must_use]
    pub fn rest(self) -> &'a [u8] {
        self.rest
    }
}

/// A well mixed number out of others: for what must not be under the fuzzer's control, such as a chosen checksum.
#[must_use]
pub fn mixed(parts: &[u64]) -> u64 {
    parts.iter().fold(0x9e37_79b9_7f4a_7c15, |state, part| {
        let mut bits = state ^ part.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 32)
    })
}

/// Bytes out of a fixed generator, for tests.
#[cfg(test)]
pub(crate) fn generated(seed: u64, len: u64) -> Vec<u8> {
    (0..len).map(|at| mixed(&[seed, at]).to_le_bytes()[3]).collect()
}
