//! What members subscribe to, as they last joined, and how much memory it takes.

use alloc::{collections::BTreeMap, string::String};

use super::Protocols;

/// Memory of a member beside its subscriptions, bytes: its ids, its deadline, its place in the log's state.
pub(super) const MEMBER_BYTES: usize = 512;

/// The subscriptions of a group's members, by member id.
#[derive(Clone, Debug, Default)]
pub(super) struct Subscriptions {
    members: BTreeMap<String, Protocols>,
    bytes: usize,
}

/// Memory of a member with these subscriptions, bytes.
pub(super) fn bytes_of(protocols: &Protocols) -> usize {
    MEMBER_BYTES + protocols.iter().map(|(name, metadata)| name.len() + metadata.len()).sum::<usize>()
}

impl Subscriptions {
    /// Memory of all members, bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn members(&self) -> &BTreeMap<String, Protocols> {
        &self.members
    }

    pub(super) fn get(&self, member: &str) -> Option<&Protocols> {
        self.members.get(member)
    }

    pub(super) fn insert(&mut self, member: String, protocols: Protocols) {
        self.bytes += bytes_of(&protocols);
        if let Some(before) = self.members.insert(member, protocols) {
            self.bytes -= bytes_of(&before);
        }
    }

    pub(super) fn remove(&mut self, member: &str) {
        if let Some(before) = self.members.remove(member) {
            self.bytes -= bytes_of(&before);
        }
    }

    pub(super) fn retain(&mut self, stays: impl Fn(&str) -> bool) {
        self.members.retain(|member, _| stays(member));
        self.bytes = self.members.values().map(bytes_of).sum();
    }
}
