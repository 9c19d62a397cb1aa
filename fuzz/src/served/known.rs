//! What a broker that has just started tells of topics and groups, held against the truth.

use std::collections::BTreeMap;

use evenkeel_core::{
    port::{AdminResponse, FoundOffset, GroupResponse, Response},
    units::Lsn,
};

use crate::{
    requests::{
        all_topics,
        of_admin::configs,
        of_groups::{Speaker, all_groups, committed, groups},
        starts,
    },
    told::assert_told,
    truth::{Known, KnownGroup, KnownMember, Truth},
    world::World,
};

/// What a heartbeat says while a rebalance is under way.
const REBALANCE_IN_PROGRESS: i16 = 27;

/// What a group is after a start, as Kafka calls it.
fn state(group: &KnownGroup) -> &'static str {
    match (group.members.is_empty(), group.unsettled, group.assigned) {
        (true, _, _) => "Empty",
        (false, true, _) => "PreparingRebalance",
        (false, false, false) => "CompletingRebalance",
        (false, false, true) => "Stable",
    }
}

impl World {
    /// First offset that is there, by topic and partition.
    ///
    /// # Panics
    /// A broker at rest does not say.
    pub fn starts(&mut self) -> BTreeMap<String, Vec<i64>> {
        let Response::Metadata(metadata) = self.ask(all_topics()) else { panic!("metadata was asked for") };
        let topics = metadata.topics.iter().map(|topic| {
            assert_eq!(topic.error_code, 0, "{topic:?}");
            let count = i32::try_from(topic.partitions.len()).expect("few");
            (topic.name.as_deref().map_or("", |name| name.as_str()), count)
        });
        let Response::ListOffsets(answer) = self.ask(starts(topics)) else {
            panic!("offsets were asked for")
        };
        let topics = answer.topics.into_iter().map(|topic| {
            let starts = topic.partitions.into_iter().map(|partition| match partition.found {
                FoundOffset::At { offset, .. } => offset.0,
                other @ (FoundOffset::Error(_) | FoundOffset::Within { .. }) => {
                    panic!("a start is known: {other:?}")
                }
            });
            (topic.name.to_string(), starts.collect())
        });
        topics.collect()
    }

    /// Holds partition counts, log starts, configs, groups and committed offsets against the truth up to this LSN, a start at
    /// which may stand behind it.
    ///
    /// # Panics
    /// They differ: a finding.
    pub(super) fn assert_known(&mut self, truth: &Truth, upto: Lsn) {
        let known = truth.known(upto);
        let wanted: BTreeMap<String, Vec<i64>> = known
            .topics
            .iter()
            .map(|(name, topic)| (name.clone(), topic.spans.iter().map(|(start, _)| *start).collect()))
            .collect();
        assert_eq!(self.starts(), wanted, "log starts at LSN {upto}");
        let asked = configs(known.topics.keys().map(String::as_str));
        let Response::Admin(answer) = self.ask(asked.clone()) else { panic!("configs were asked for") };
        let AdminResponse::DescribeConfigs(told) = &answer else { panic!("configs were asked for") };
        assert_eq!(told.results.len(), known.topics.len(), "each topic has configs: {told:?}");
        assert!(told.results.iter().all(|topic| topic.error_code == 0), "{told:?}");
        assert_told(truth, upto, upto, &asked, &Response::Admin(answer));
        self.assert_groups(&known, upto);
        let asked = committed(known.groups.keys().map(String::as_str));
        let answer = self.ask(asked.clone());
        let Response::Group(GroupResponse::OffsetFetch(told)) = &answer else {
            panic!("offsets were asked for")
        };
        assert_eq!(told.groups.len(), known.groups.len(), "each group is answered: {told:?}");
        assert_told(truth, upto, upto, &asked, &answer);
    }

    fn assert_groups(&mut self, known: &Known, upto: Lsn) {
        let Response::Group(GroupResponse::List(list)) = self.ask(all_groups()) else {
            panic!("groups were asked for")
        };
        let listed: Vec<String> = list.groups.iter().map(|group| group.group_id.to_string()).collect();
        assert_eq!(listed, known.groups.keys().cloned().collect::<Vec<_>>(), "groups at LSN {upto}");
        let asked = groups(known.groups.keys().map(String::as_str));
        let Response::Group(GroupResponse::Describe(answer)) = self.ask(asked) else {
            panic!("groups were asked for")
        };
        for (told, (id, group)) in answer.groups.into_iter().zip(&known.groups) {
            let stable = state(group) == "Stable";
            let settled = stable || group.members.is_empty();
            let said = (told.group_state.as_str(), told.protocol_type.as_str(), told.protocol_data.as_str());
            let protocol = if settled { group.protocol.as_str() } else { "" };
            assert_eq!(said, (state(group), group.protocol_type.as_str(), protocol), "{id} at LSN {upto}");
            let members = told.members.into_iter().map(|member| {
                let known = KnownMember {
                    instance: member.group_instance_id.as_ref().map(ToString::to_string),
                    metadata: member.member_metadata.to_vec(),
                    assignment: member.member_assignment.to_vec(),
                };
                (member.member_id.to_string(), known)
            });
            let members: BTreeMap<String, KnownMember> = members.collect();
            let shown = |member: &KnownMember| KnownMember {
                assignment: if stable { member.assignment.clone() } else { Vec::new() },
                ..member.clone()
            };
            let wanted = group.members.iter().map(|(id, member)| (id.clone(), shown(member))).collect();
            assert_eq!(members, wanted, "members of {id} at LSN {upto}");
            self.assert_members_speak(id, group, upto);
        }
    }

    /// Members go on in the generation in which they were.
    fn assert_members_speak(&mut self, id: &str, group: &KnownGroup, upto: Lsn) {
        for (member, known) in &group.members {
            let speaker = Speaker {
                group: String::from(id),
                member: member.clone(),
                instance: known.instance.clone(),
                generation: group.generation,
            };
            let Response::Group(GroupResponse::Heartbeat(beat)) = self.ask(speaker.heartbeat()) else {
                panic!("a heartbeat was sent")
            };
            let wanted = if group.unsettled { REBALANCE_IN_PROGRESS } else { 0 };
            assert_eq!(beat.error_code, wanted, "{member} of {id} in {} at LSN {upto}", group.generation);
        }
    }
}

#[cfg(test)]
mod tests;
