//! Administration and consumer groups as the fuzzer chooses them: what operators and members ask for, and what members do
//! with the answers. Shared by the lives of `log_recovery` and the events of `turns`.

use evenkeel_core::port::{GroupResponse, Request, Response};

use crate::{
    choices::Choices,
    requests::{
        of_admin::{configs, delete_records, grow, replace, set},
        of_groups::{Speaker, committed, delete_group, forget},
    },
    truth::KnownOffset,
};

/// Bytes from here on choose a change where another step or request could stand. Those below mean what they always did, so
/// that an input of old lives as it did unless it has such a byte there.
pub const FROM: u8 = 192;
/// How many there are to choose from, where time is one of them.
pub const KINDS: u8 = 16;

const GROUPS: [&str; 2] = ["g", "h"];
/// Members of each group. The second of them is static.
const PLACES: usize = 3;
/// Nobody of them: an operator, or a consumer that assigns partitions to itself.
const OUTSIDER: Who = Who { place: None, then: Then::Rest };

const MEMBER_ID_REQUIRED: i16 = 79;
const UNKNOWN_MEMBER_ID: i16 = 25;
const FENCED_INSTANCE_ID: i16 = 82;

/// Configs and values for them: of each standing one, and those that the broker acts on.
const CONFIGS: [(&str, [&str; 2]); 4] = [
    ("max.message.bytes", ["5000", "9500"]),
    ("message.timestamp.type", ["LogAppendTime", "CreateTime"]),
    ("flush.ms", ["7", "1000"]),
    ("min.insync.replicas", ["1", "2"]),
];

/// Who asks, and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who {
    place: Option<usize>,
    then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Rest,
    /// Whoever joined asks for its assignment; the leader gives everybody that.
    Sync(u8),
}

/// Members of some groups, and what each was told.
#[derive(Clone, Debug)]
pub struct Members {
    members: Vec<Member>,
}

#[derive(Clone, Debug)]
struct Member {
    speaker: Speaker,
    /// Members of the generation that it leads.
    leads: Vec<String>,
}

impl Default for Members {
    fn default() -> Members {
        let members = (0..GROUPS.len() * PLACES).map(|at| {
            let instance = (at % PLACES == 1).then(|| String::from("i"));
            Member { speaker: nobody(GROUPS[at / PLACES], instance), leads: Vec::new() }
        });
        Members { members: members.collect() }
    }
}

fn nobody(group: &str, instance: Option<String>) -> Speaker {
    Speaker { group: String::from(group), member: String::new(), instance, generation: -1 }
}

fn topic_to_read(at: usize) -> &'static str {
    if at.is_multiple_of(2) { "c" } else { "a" }
}

impl Members {
    /// A request of that kind. `None`: there is none, time is to pass.
    pub fn request(
        &mut self,
        kind: u8,
        choices: &mut Choices<'_>,
        topics: &[&str],
    ) -> Option<(Request, Who)> {
        let index = |choices: &mut Choices<'_>| choices.of(&[0, 1, 2, 3]);
        let outside = |request| Some((request, OUTSIDER));
        match kind % KINDS {
            0 => outside(grow(choices.of(topics), choices.of(&[2, 3, 4]))),
            1 | 2 => {
                let (topic, (name, values)) = (choices.of(topics), choices.of(&CONFIGS));
                let value = choices.of(&[Some(values[0]), Some(values[1]), None]);
                outside(set(topic, name, value))
            }
            3 => {
                let (topic, count) = (choices.of(topics), choices.below(3));
                let given: Vec<_> =
                    CONFIGS.iter().take(count).map(|(name, values)| (*name, values[0])).collect();
                outside(replace(topic, &given))
            }
            4 | 5 => {
                outside(delete_records(choices.of(topics), index(choices), choices.of(&[-1, 1, 2, 5, 20])))
            }
            6 => {
                let speaker = nobody(choices.of(&GROUPS), None);
                outside(speaker.commit(choices.of(topics), index(choices), &offset(choices)))
            }
            7 => {
                let at = choices.below(self.members.len());
                let speaker = &self.members[at].speaker;
                let request = speaker.commit(choices.of(topics), index(choices), &offset(choices));
                Some((request, Who { place: Some(at), then: Then::Rest }))
            }
            8 => outside(forget(choices.of(&GROUPS), choices.of(topics), index(choices))),
            9 => outside(delete_group(choices.of(&GROUPS))),
            kind @ 10..=13 => Some(self.of_member(kind, choices)),
            14 => None,
            _ if choices.byte().is_multiple_of(2) => outside(committed(GROUPS.into_iter())),
            _ => outside(configs(topics.iter().copied())),
        }
    }

    fn of_member(&mut self, kind: u8, choices: &mut Choices<'_>) -> (Request, Who) {
        let at = choices.below(self.members.len());
        let what = choices.byte();
        let member = &mut self.members[at];
        let then = if kind < 12 && what % 4 < 3 { Then::Sync(what) } else { Then::Rest };
        let who = Who { place: Some(at), then };
        let request = match kind {
            10 => member.speaker.join(topic_to_read(at)),
            // Under a new id, as after a restart of its process.
            11 => {
                member.forget();
                member.speaker.join(topic_to_read(at))
            }
            12 => member.sync(what),
            _ => member.speaker.leave(),
        };
        (request, who)
    }

    /// Takes an answer in. What the member asks next, if anything.
    pub fn answered(&mut self, who: Who, response: &Response) -> Option<Request> {
        let at = who.place?;
        let member = &mut self.members[at];
        let Response::Group(response) = response else { return None };
        let error_code = match response {
            GroupResponse::Join(answer) => {
                if answer.error_code == MEMBER_ID_REQUIRED {
                    member.speaker.member = answer.member_id.to_string();
                    return Some(member.speaker.join(topic_to_read(at)));
                }
                if answer.error_code == 0 {
                    member.speaker.member = answer.member_id.to_string();
                    member.speaker.generation = answer.generation_id;
                    member.leads = answer.members.iter().map(|each| each.member_id.to_string()).collect();
                    return match who.then {
                        Then::Sync(what) => Some(member.sync(what)),
                        Then::Rest => None,
                    };
                }
                answer.error_code
            }
            GroupResponse::Sync(answer) => answer.error_code,
            // Whoever has left comes back as somebody else.
            GroupResponse::Leave(_) => UNKNOWN_MEMBER_ID,
            GroupResponse::OffsetCommit(_)
            | GroupResponse::Heartbeat(_)
            | GroupResponse::Describe(_)
            | GroupResponse::List(_)
            | GroupResponse::Delete(_)
            | GroupResponse::OffsetFetch(_)
            | GroupResponse::OffsetDelete(_) => return None,
        };
        if matches!(error_code, UNKNOWN_MEMBER_ID | FENCED_INSTANCE_ID) {
            member.forget();
        }
        None
    }
}

impl Member {
    fn forget(&mut self) {
        self.speaker.member.clear();
        self.speaker.generation = -1;
        self.leads.clear();
    }

    fn sync(&self, what: u8) -> Request {
        let assigned: Vec<(String, u8)> = self.leads.iter().cloned().zip(what..).collect();
        self.speaker.sync(&assigned)
    }
}

fn offset(choices: &mut Choices<'_>) -> KnownOffset {
    KnownOffset {
        offset: choices.of(&[0, 1, 7, 1 << 40]),
        leader_epoch: choices.of(&[-1, 0, 5]),
        metadata: "m".repeat(choices.of(&[0, 3, 700])),
    }
}
