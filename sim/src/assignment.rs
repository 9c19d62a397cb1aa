//! What members of groups write, so that whatever is read back tells who wrote it: subscriptions, assignments, and what
//! stands beside a committed offset.

use bytes::Bytes;
use evenkeel_core::units::TopicId;

use crate::ledger::{CommitNumber, PartitionKey};

/// First bytes of every assignment.
const MAGIC: &[u8; 4] = b"own:";
/// What every commit's metadata begins with.
const COMMIT: &str = "commit ";
/// Instance ids of static members begin like this; what the broker makes of them is the same with 33 characters more.
const STATIC: &str = "static-";
const ID_SUFFIX_CHARS: usize = 33;

/// What the leader of a generation gives to one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// In which generation.
    pub generation: i32,
    /// To whom: see [`place_of`].
    pub place: String,
    /// What.
    pub partitions: Vec<PartitionKey>,
}

impl Assignment {
    /// As bytes that describe themselves.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&self.generation.to_be_bytes());
        out.extend_from_slice(&u16::try_from(self.place.len()).expect("short").to_be_bytes());
        out.extend_from_slice(self.place.as_bytes());
        for key in &self.partitions {
            out.extend_from_slice(&key.topic.0);
            out.extend_from_slice(&key.index.to_be_bytes());
        }
        Bytes::from(out)
    }

    /// Reads what [`Assignment::encode`] wrote.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Assignment> {
        let (generation, rest) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let (place, mut rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        let mut partitions = Vec::new();
        while !rest.is_empty() {
            let (topic, behind) = rest.split_first_chunk()?;
            let (index, behind) = behind.split_first_chunk()?;
            partitions.push(PartitionKey { topic: TopicId(*topic), index: i32::from_be_bytes(*index) });
            rest = behind;
        }
        let place = String::from_utf8(place.to_vec()).ok()?;
        Some(Assignment { generation: i32::from_be_bytes(*generation), place, partitions })
    }
}

/// Instance id of a static member.
#[must_use]
pub fn instance(number: u64) -> String {
    format!("{STATIC}{number}")
}

/// Whose place in the group a member has: its own, or that of its instance, whichever id it has now.
#[must_use]
pub fn place_of(member: &str) -> &str {
    match member.len().checked_sub(ID_SUFFIX_CHARS) {
        Some(at) if member.starts_with(STATIC) => &member[..at],
        Some(_) | None => member,
    }
}

/// A subscription to these topics, as consumers write it.
#[must_use]
pub fn subscription(topics: &[String]) -> Bytes {
    let mut out = vec![0, 1];
    out.extend_from_slice(&u32::try_from(topics.len()).expect("few").to_be_bytes());
    for topic in topics {
        out.extend_from_slice(&u16::try_from(topic.len()).expect("short").to_be_bytes());
        out.extend_from_slice(topic.as_bytes());
    }
    Bytes::from(out)
}

/// What a client writes beside an offset.
#[must_use]
pub fn metadata(commit: CommitNumber) -> String {
    format!("{COMMIT}{}", commit.0)
}

/// Which commit that is.
#[must_use]
pub fn commit_of(metadata: &str) -> Option<CommitNumber> {
    metadata.strip_prefix(COMMIT)?.parse().ok().map(CommitNumber)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_members_write_is_read_back() {
        let partitions = vec![
            PartitionKey { topic: TopicId([7; 16]), index: 0 },
            PartitionKey { topic: TopicId([8; 16]), index: 3 },
        ];
        for partitions in [Vec::new(), partitions] {
            let assignment = Assignment { generation: 7, place: instance(2), partitions };
            let bytes = assignment.encode();
            assert_eq!(Assignment::decode(&bytes), Some(assignment));
            assert_eq!(Assignment::decode(&bytes[..bytes.len() - 1]), None);
        }
        assert_eq!(commit_of(&metadata(CommitNumber(12))), Some(CommitNumber(12)));
        assert_eq!(commit_of(""), None);
    }

    #[test]
    fn a_static_member_has_the_place_of_its_instance() {
        let suffix = format!("-{:032x}", 7);
        assert_eq!(place_of(&format!("static-3{suffix}")), "static-3");
        let dynamic = format!("member-3{suffix}");
        assert_eq!(place_of(&dynamic), dynamic);
        assert_eq!(place_of("static-3"), "static-3");
    }
}
