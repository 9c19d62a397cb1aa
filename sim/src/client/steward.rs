//! A steward of topics: lets them grow, changes and takes back their configs, deletes records, and looks at what has become of it.

use evenkeel_core::{
    port::{AdminRequest, Request},
    units::TopicId,
};
use kafka_protocol::{
    messages::{
        AlterConfigsRequest, CreatePartitionsRequest, DeleteRecordsRequest, DescribeConfigsRequest,
        DescribeTopicPartitionsRequest, IncrementalAlterConfigsRequest, alter_configs_request,
        create_partitions_request::CreatePartitionsTopic,
        delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic},
        describe_topic_partitions_request::TopicRequest,
        incremental_alter_configs_request,
    },
    protocol::StrBytes,
};

use crate::{
    client::{Desk, Outgoing, text, topic_name},
    dice::Dice,
    ledger::{
        APPEND_TIME, AdminAsked, Asked, CHANGED, Changes, PartitionKey, TIMESTAMP_TYPE, TopicBook, Upto,
    },
    probe,
};

/// Partitions up to which a topic is let grow.
const PARTITIONS_MAX: i32 = 6;
/// A topic, as Kafka numbers things that have configs.
const TOPIC: i8 = 2;
const SET: i8 = 0;
const DELETE: i8 = 1;

/// The steward.
#[derive(Clone, Debug, Default)]
pub(super) struct Steward {
    waits: bool,
}

impl Steward {
    pub(super) fn act(&mut self, desk: &mut Desk<'_>, dice: &mut Dice, outbox: &mut Vec<Outgoing>) {
        // It has time.
        if self.waits || *desk.operations_left == 0 || !dice.chance(500) {
            return;
        }
        // By name: of one that comes and goes nobody could say which was meant, unless nothing more is at stake than its partitions.
        let grows = dice.chance(150);
        let meant = |book: &TopicBook| book.must_exist() && (grows || book.name.starts_with("lasting"));
        let topics: Vec<_> = desk.ledger.topics.iter().filter(|(_, book)| meant(book)).collect();
        if topics.is_empty() {
            return;
        }
        let (id, book) = topics[dice.index(topics.len())];
        let (id, name, partitions) = (*id, book.name.clone(), book.partitions);
        let index = i32::try_from(dice.below(u64::from(partitions.unsigned_abs()))).expect("few");
        let key = PartitionKey { topic: id, index };
        let (version, request, asked) = match dice.below(10) {
            _ if grows => grow(id, &name, partitions, dice),
            0..=2 => change(id, &name, desk.number().0, dice),
            3..=4 => delete_records(key, &name, desk, dice),
            5..=6 => {
                let request =
                    DescribeConfigsRequest::default().with_resources(vec![probe::ask_configs(&name)]);
                let request = Request::Admin(AdminRequest::DescribeConfigs(request));
                (4, request, AdminAsked::Configs(id))
            }
            7 => {
                let topic = TopicRequest::default().with_name(topic_name(&name));
                let request = DescribeTopicPartitionsRequest::default()
                    .with_topics(vec![topic])
                    .with_response_partition_limit(1000);
                let request = Request::Admin(AdminRequest::DescribeTopicPartitions(request));
                (0, request, AdminAsked::Partitions(id))
            }
            _ => {
                let request = Request::ListOffsets(probe::list_offsets(key, &name, probe::EARLIEST));
                (7, request, AdminAsked::Earliest(key))
            }
        };
        self.waits = true;
        outbox.push(Outgoing { version, request, asked: Asked::Admin(asked), silent: false });
    }

    pub(super) fn hear(&mut self) {
        self.waits = false;
    }
}

/// A question: its version, what is sent, and the same for the ledger.
pub(crate) type Question = (i16, Request, AdminAsked);

fn grow(id: TopicId, name: &str, partitions: i32, dice: &mut Dice) -> Question {
    // Some ask for what is there already.
    let more = if partitions >= PARTITIONS_MAX || dice.chance(150) { 0 } else { dice.between(1, 2) };
    grow_to(id, name, partitions + i32::try_from(more).expect("small"))
}

/// Lets a topic grow.
pub(crate) fn grow_to(id: TopicId, name: &str, count: i32) -> Question {
    let topic =
        CreatePartitionsTopic::default().with_name(topic_name(name)).with_count(count).with_assignments(None);
    let request = CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
    (3, Request::Admin(AdminRequest::CreatePartitions(request)), AdminAsked::Grow(id, count))
}

/// Some configs get a value or lose it; or all that are not named lose it.
fn change(id: TopicId, name: &str, number: u64, dice: &mut Dice) -> Question {
    let value = |config: &str, dice: &mut Dice| match config {
        TIMESTAMP_TYPE if dice.chance(500) => APPEND_TIME.to_string(),
        TIMESTAMP_TYPE => String::from("CreateTime"),
        // Nobody else gives it that.
        _ => (1_000_000 + number).to_string(),
    };
    let whole = dice.chance(300);
    let mut changes = Changes::new();
    for config in CHANGED {
        if dice.chance(450) {
            let value = (!dice.chance(400)).then(|| value(config, dice));
            changes.insert(config, value);
        } else if whole {
            changes.insert(config, None);
        }
    }
    if changes.is_empty() {
        changes.insert(CHANGED[0], None);
    }
    if whole { replace(id, name, changes) } else { alter(id, name, changes) }
}

/// A topic is to have these configs and no others; of all that anybody changes, each is named.
fn replace(id: TopicId, name: &str, changes: Changes) -> Question {
    let given = changes.iter().filter_map(|(config, value)| Some((*config, value.as_ref()?)));
    let configs = given.map(|(config, value)| {
        alter_configs_request::AlterableConfig::default()
            .with_name(StrBytes::from_static_str(config))
            .with_value(Some(text(value)))
    });
    let resource = alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(name))
        .with_configs(configs.collect());
    let request = AlterConfigsRequest::default().with_resources(vec![resource]);
    (2, Request::Admin(AdminRequest::AlterConfigs(request)), AdminAsked::Change(id, changes))
}

/// Single configs change.
pub(crate) fn alter(id: TopicId, name: &str, changes: Changes) -> Question {
    let configs = changes.iter().map(|(config, value)| {
        incremental_alter_configs_request::AlterableConfig::default()
            .with_name(StrBytes::from_static_str(config))
            .with_config_operation(if value.is_some() { SET } else { DELETE })
            .with_value(value.as_deref().map(text))
    });
    let resource = incremental_alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(name))
        .with_configs(configs.collect());
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    (1, Request::Admin(AdminRequest::IncrementalAlterConfigs(request)), AdminAsked::Change(id, changes))
}

fn delete_records(key: PartitionKey, name: &str, desk: &Desk<'_>, dice: &mut Dice) -> Question {
    let (start, end) = (desk.ledger.log_start(key), desk.ledger.high_watermark(key));
    let small = |drawn: u64| i64::try_from(drawn).expect("small");
    let upto = match dice.below(20) {
        0..=2 => Upto::End(end),
        // Behind the end, most likely.
        3 => Upto::Offset(end + small(dice.between(1, 1000))),
        // Little, so that much is left to be looked at.
        _ => Upto::Offset(start + small(dice.below((end - start).max(0).cast_unsigned() / 3 + 1))),
    };
    delete_upto(key, name, upto, end)
}

/// Deletes records; `known` is known to be the end.
pub(crate) fn delete_upto(key: PartitionKey, name: &str, upto: Upto, known: i64) -> Question {
    let offset = match upto {
        Upto::Offset(offset) => offset,
        Upto::End(_) => -1,
    };
    let partition = DeleteRecordsPartition::default().with_partition_index(key.index).with_offset(offset);
    let topic = DeleteRecordsTopic::default().with_name(topic_name(name)).with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
    (2, Request::Admin(AdminRequest::DeleteRecords(request)), AdminAsked::DeleteRecords(key, upto, known))
}
