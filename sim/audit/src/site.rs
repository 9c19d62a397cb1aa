//! A place in the source where one thing is done differently: a mutant.

use core::fmt;

/// Longest text of an expression in a key, in characters.
const TEXT_CHARS_MAX: usize = 140;

/// What is done differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    /// `<` for `<=`, `==` for `!=` and so on.
    Comparison,
    /// A condition taken to hold.
    Holds,
    /// A condition taken not to hold.
    Fails,
    /// What is added or taken away becomes nothing.
    Amount,
    /// A method in place of its twin: `last` for `first`, `max` for `min`.
    Twin,
    /// A statement left out.
    LeftOut,
    /// Two statements in the other order.
    Order,
    /// Two arguments in each other's place.
    Arguments,
    /// A function that returns at once.
    Return,
    /// An error, or nothing, taken for a default.
    Default,
    /// A field that gets its default.
    Field,
    /// A loop that passes over its first.
    First,
}

impl Operator {
    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Operator::Comparison => "comparison",
            Operator::Holds => "holds",
            Operator::Fails => "fails",
            Operator::Amount => "amount",
            Operator::Twin => "twin",
            Operator::LeftOut => "left-out",
            Operator::Order => "order",
            Operator::Arguments => "arguments",
            Operator::Return => "return",
            Operator::Default => "default",
            Operator::Field => "field",
            Operator::First => "first",
        }
    }
}

/// One mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// By this number it is switched on; another one after any change of the source.
    pub number: u32,
    /// The file, below `src`.
    pub file: String,
    /// The line in it.
    pub line: usize,
    /// The function, with its type.
    pub item: String,
    /// What is done differently.
    pub operator: Operator,
    /// The text of what it is done to.
    pub text: String,
    /// Which of the equal texts of this item and operator.
    pub ordinal: u32,
}

impl Site {
    /// The name that stays when code moves: item and text, and no line.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{} | {} | {} | {} | {}", self.file, self.item, self.operator.name(), self.text, self.ordinal)
    }

    /// A number that follows from the key and nothing else: samples and shards go by it.
    #[must_use]
    pub fn lot(&self, seed: u64) -> u64 {
        // FNV-1a, then a finalizer so that neighbouring keys part.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for byte in self.key().bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        hash ^= hash >> 33;
        hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash ^ (hash >> 33)
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} {} {} `{}`", self.file, self.line, self.item, self.operator.name(), self.text)
    }
}

/// The text of code, on one line, and cut where it is long.
#[must_use]
pub fn text_of(tokens: &impl quote::ToTokens) -> String {
    let all = tokens.to_token_stream().to_string();
    let mut text = all.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "¦");
    if let Some((at, _)) = text.char_indices().nth(TEXT_CHARS_MAX) {
        text.truncate(at);
        text.push('…');
    }
    text
}
