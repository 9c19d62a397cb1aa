//! An administrator: makes the lasting topics, lets others come and go under the same few names, and looks around.

use evenkeel_core::port::Request;
use kafka_protocol::{
    messages::{
        CreateTopicsRequest, DeleteTopicsRequest, MetadataRequest,
        create_topics_request::{CreatableTopic, CreatableTopicConfig},
        delete_topics_request::DeleteTopicState,
        metadata_request::MetadataRequestTopic,
    },
    protocol::StrBytes,
};

use crate::{
    client::{Desk, Outgoing, topic_name},
    dice::Dice,
    ledger::{Asked, is_stamped},
    shape::Shape,
};

/// An administrator.
#[derive(Clone, Debug)]
pub(super) struct Admin {
    lasting: Vec<String>,
    passing: Vec<String>,
    waits: bool,
}

impl Admin {
    pub(super) fn new(shape: &Shape) -> Admin {
        let names = |kind: &str, count: u64| {
            let name = |at| if at % 3 == 2 { format!("{kind}-{at}-stamped") } else { format!("{kind}-{at}") };
            (0..count).map(name).collect::<Vec<_>>()
        };
        // There is always a topic to write to.
        let lasting = shape.lasting_topics.max(u64::from(shape.passing_topics == 0));
        Admin {
            lasting: names("lasting", lasting),
            passing: names("passing", shape.passing_topics),
            waits: false,
        }
    }

    pub(super) fn act(&mut self, desk: &mut Desk<'_>, dice: &mut Dice, outbox: &mut Vec<Outgoing>) {
        if self.waits || *desk.operations_left == 0 {
            return;
        }
        let there = |name: &String| {
            let found = desk.ledger.topics.iter().find(|(_, book)| book.name == *name && book.must_exist());
            found.map(|(id, _)| *id)
        };
        let missing: Vec<&String> = self.lasting.iter().filter(|name| there(name).is_none()).collect();
        let outgoing = if let Some(name) = missing.first() {
            create(name, dice)
        } else if !self.passing.is_empty() && dice.chance(400) {
            let name = &self.passing[dice.index(self.passing.len())];
            match there(name) {
                Some(topic) => {
                    let state = DeleteTopicState::default()
                        .with_name(None)
                        .with_topic_id(uuid::Uuid::from_bytes(topic.0));
                    Outgoing {
                        version: 6,
                        request: Request::DeleteTopics(
                            DeleteTopicsRequest::default().with_topics(vec![state]),
                        ),
                        asked: Asked::Delete(topic),
                        silent: false,
                    }
                }
                None => create(name, dice),
            }
        } else {
            Outgoing {
                version: 12,
                request: Request::Metadata(MetadataRequest::default().with_topics(None)),
                asked: Asked::Metadata(None),
                silent: false,
            }
        };
        if desk.begin() {
            self.waits = true;
            outbox.push(outgoing);
        }
    }

    pub(super) fn hear(&mut self) {
        self.waits = false;
    }
}

/// Creates a topic, sometimes by asking for its metadata.
fn create(name: &str, dice: &mut Dice) -> Outgoing {
    if !is_stamped(name) && dice.chance(300) {
        let topic = MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        let request =
            MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(true);
        return Outgoing {
            version: 12,
            request: Request::Metadata(request),
            asked: Asked::Metadata(Some(name.to_string())),
            silent: false,
        };
    }
    let mut topic = CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(i32::try_from(dice.between(1, 4)).expect("small"))
        .with_replication_factor(1);
    if is_stamped(name) {
        let config = CreatableTopicConfig::default()
            .with_name(StrBytes::from_static_str("message.timestamp.type"))
            .with_value(Some(StrBytes::from_static_str("LogAppendTime")));
        topic = topic.with_configs(vec![config]);
    }
    Outgoing {
        version: 7,
        request: Request::CreateTopics(CreateTopicsRequest::default().with_topics(vec![topic])),
        asked: Asked::Create(name.to_string()),
        silent: false,
    }
}
