//! CreatePartitions and DescribeTopicPartitions.

use evenkeel_core::{
    limits::{PARTITIONS_MAX, TOPIC_PARTITIONS_MAX},
    port::{AdminRequest, AdminResponse, Request},
    units::Tag,
};
use kafka_protocol::messages::{
    BrokerId, CreatePartitionsRequest, DescribeTopicPartitionsRequest,
    create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic},
    describe_topic_partitions_request::{Cursor, TopicRequest},
};

use super::{ask, topic_name};
use crate::rig::{Rig, batch, small};

fn growth(name: &str, count: i32) -> CreatePartitionsTopic {
    CreatePartitionsTopic::default().with_name(topic_name(name)).with_count(count).with_assignments(None)
}

fn grow(rig: &mut Rig, validate_only: bool, topics: Vec<CreatePartitionsTopic>) -> Vec<(String, i16)> {
    let request = CreatePartitionsRequest::default().with_topics(topics).with_validate_only(validate_only);
    match ask(rig, 3, AdminRequest::CreatePartitions(request)) {
        AdminResponse::CreatePartitions(response) => {
            let told = response.results.into_iter();
            told.map(|told| {
                assert_eq!(told.error_code != 0, told.error_message.is_some());
                (told.name.to_string(), told.error_code)
            })
            .collect()
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) fn grow_to(rig: &mut Rig, name: &str, count: i32) {
    assert_eq!(grow(rig, false, vec![growth(name, count)]), [(name.into(), 0)]);
}

fn code(rig: &mut Rig, topic: CreatePartitionsTopic) -> i16 {
    grow(rig, false, vec![topic])[0].1
}

fn count(rig: &mut Rig, name: &str) -> usize {
    rig.metadata(name).topics[0].partitions.len()
}

#[test]
fn partitions_are_added_behind_those_that_are_there_and_stay_over_a_crash() {
    let mut rig = Rig::new(small());
    rig.create("t", 2, &[]);
    assert_eq!(rig.produce("t", 1, batch(1, 10, b'a', 1)), (0, 0));
    // Its partitions do not follow each other in the broker's own numbers.
    rig.create("other", 1, &[]);
    assert_eq!(rig.produce("other", 0, batch(1, 10, b'o', 1)), (0, 0));
    assert_eq!(grow(&mut rig, false, vec![growth("t", 4)]), [("t".into(), 0)]);
    assert_eq!(rig.produce("t", 2, batch(1, 10, b'c', 1)), (0, 0));
    assert_eq!(rig.produce("t", 3, batch(2, 10, b'd', 1)), (0, 0));
    for stopped in [false, true, false] {
        rig = if stopped { rig.stop().crash() } else { rig.crash() };
        assert_eq!((count(&mut rig, "t"), count(&mut rig, "other")), (4, 1));
        let found: Vec<Vec<u8>> =
            (0..4).map(|at| rig.read_all("t", at).iter().map(|batch| batch.2).collect()).collect();
        let want: [Vec<u8>; 4] = [vec![], vec![b'a'], vec![b'c'], vec![b'd']];
        assert_eq!(found, want);
        assert_eq!(rig.read_all("other", 0).len(), 1);
        assert_eq!(rig.produce("t", 4, batch(1, 10, b'e', 1)).0, 3, "there is none of that index");
    }
    assert_eq!(code(&mut rig, growth("t", 5)), 0);
    assert_eq!(rig.produce("t", 4, batch(1, 10, b'e', 1)), (0, 0));
    rig.delete("t");
    let mut rig = rig.crash();
    assert_eq!(count(&mut rig, "t"), 1, "it is made anew, with the default");
    assert_eq!(rig.read_all("t", 0), []);
}

#[test]
fn a_growth_that_cannot_be_is_refused_and_changes_nothing() {
    let mut rig = Rig::new(small());
    rig.create("t", 2, &[]);
    assert_eq!(code(&mut rig, growth("t", 2)), 37);
    assert_eq!(code(&mut rig, growth("t", 1)), 37);
    assert_eq!(code(&mut rig, growth("t", -1)), 37);
    assert_eq!(code(&mut rig, growth("t", i32::MAX)), 37);
    assert_eq!(code(&mut rig, growth("unknown", 3)), 3);
    assert_eq!(grow(&mut rig, true, vec![growth("t", 3)]), [("t".into(), 0)], "only asked whether it could");
    let twice = grow(&mut rig, false, vec![growth("t", 3), growth("t", 4), growth("u", 1)]);
    assert_eq!(twice, [("t".into(), 42), ("u".into(), 3)]);
    let assigned = |brokers: &[&[i32]]| {
        let of = |ids: &&[i32]| {
            CreatePartitionsAssignment::default()
                .with_broker_ids(ids.iter().map(|id| BrokerId(*id)).collect())
        };
        growth("t", 3).with_assignments(Some(brokers.iter().map(of).collect()))
    };
    let us = rig.config.node_id;
    let wrong: [&[&[i32]]; 6] = [&[], &[&[us], &[us]], &[&[]], &[&[us + 1]], &[&[us, us]], &[&[us, us + 1]]];
    for wrong in wrong {
        assert_eq!(code(&mut rig, assigned(wrong)), 39, "{wrong:?}");
    }
    assert_eq!(count(&mut rig, "t"), 2);
    assert_eq!(code(&mut rig, assigned(&[&[us]])), 0);
    assert_eq!(count(&mut rig, "t"), 3);
}

#[test]
fn added_partitions_are_not_told_before_they_are_durable() {
    let mut rig = Rig::new(small());
    rig.create("t", 1, &[]);
    rig.hold_log();
    let request = CreatePartitionsRequest::default().with_topics(vec![growth("t", 2)]);
    let grown = rig.send(1, 3, Request::Admin(AdminRequest::CreatePartitions(request)));
    let described = describe_later(&mut rig, "t");
    let produced = rig.send(3, 11, Rig::produce_request("t", 1, -1, batch(1, 10, b'a', 1)));
    for tag in [grown, described, produced] {
        assert_eq!(rig.reply(tag), None, "a crash could take it away");
    }
    rig.release();
    for tag in [grown, described, produced] {
        assert!(rig.reply(tag).is_some());
    }
}

fn describe_later(rig: &mut Rig, name: &str) -> Tag {
    let topics = vec![TopicRequest::default().with_name(topic_name(name))];
    let request =
        DescribeTopicPartitionsRequest::default().with_topics(topics).with_response_partition_limit(9);
    rig.send(2, 0, Request::Admin(AdminRequest::DescribeTopicPartitions(request)))
}

/// Topic, error code and indexes, by topic; and where to go on.
type Page = (Vec<(String, i16, Vec<i32>)>, Option<(String, i32)>);

fn page(rig: &mut Rig, topics: &[&str], limit: i32, from: Option<(&str, i32)>) -> Page {
    let topics = topics.iter().map(|name| TopicRequest::default().with_name(topic_name(name)));
    let from = from
        .map(|(name, index)| Cursor::default().with_topic_name(topic_name(name)).with_partition_index(index));
    let request = DescribeTopicPartitionsRequest::default()
        .with_topics(topics.collect())
        .with_response_partition_limit(limit)
        .with_cursor(from);
    match ask(rig, 0, AdminRequest::DescribeTopicPartitions(request)) {
        AdminResponse::DescribeTopicPartitions(response) => {
            let topics = response.topics.into_iter().map(|topic| {
                let indexes = topic.partitions.iter().map(|partition| {
                    assert_eq!(partition.leader_id.0, partition.isr_nodes[0].0);
                    partition.partition_index
                });
                let indexes = indexes.collect();
                (topic.name.map(|name| name.to_string()).unwrap_or_default(), topic.error_code, indexes)
            });
            let next = response.next_cursor.map(|next| (next.topic_name.to_string(), next.partition_index));
            (topics.collect(), next)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn topics_are_described_by_pages_in_the_order_of_their_names() {
    let mut rig = Rig::new(small());
    rig.create("b", 3, &[]);
    rig.create("a", 2, &[]);
    let first = page(&mut rig, &[], 3, None);
    assert_eq!(first.0, [("a".into(), 0, vec![0, 1]), ("b".into(), 0, vec![0])]);
    assert_eq!(first.1, Some(("b".into(), 1)));
    let second = page(&mut rig, &[], 3, Some(("b", 1)));
    assert_eq!(second, (vec![("b".into(), 0, vec![1, 2])], None));
    let exact = page(&mut rig, &[], 2, None);
    assert_eq!(exact, (vec![("a".into(), 0, vec![0, 1])], Some(("b".into(), 0))));
    let some = page(&mut rig, &["b", "none", "a b"], 100, None);
    assert_eq!(
        some.0,
        [("a b".into(), 17, vec![]), ("b".into(), 0, vec![0, 1, 2]), ("none".into(), 3, vec![])]
    );
    assert_eq!(page(&mut rig, &["b"], 100, Some(("b", -1))).0, [("b".into(), 42, vec![])]);
    assert_eq!(page(&mut rig, &["b"], 0, None).1, Some(("b".into(), 1)), "at least one");
}

#[test]
fn a_broker_holds_so_many_partitions_and_not_one_more() {
    let mut rig = Rig::new(small());
    let each = TOPIC_PARTITIONS_MAX as usize;
    for at in 1..PARTITIONS_MAX / each {
        rig.create(&format!("t{at}"), TOPIC_PARTITIONS_MAX, &[]);
    }
    rig.create("last", TOPIC_PARTITIONS_MAX - 3, &[]);
    assert_eq!(code(&mut rig, growth("last", TOPIC_PARTITIONS_MAX - 1)), 0);
    rig.create("one", 1, &[]);
    assert_eq!(rig.broker.state().map(|state| state.partition_count()), Some(PARTITIONS_MAX));
    assert_eq!(code(&mut rig, growth("last", TOPIC_PARTITIONS_MAX)), 44);
    rig.delete("one");
    assert_eq!(code(&mut rig, growth("one", 2)), 3);
    assert_eq!(code(&mut rig, growth("last", TOPIC_PARTITIONS_MAX)), 0);
}

#[test]
fn a_refused_replica_is_named() {
    let mut rig = Rig::new(small());
    rig.create("t", 1, &[]);
    let us = rig.config.node_id;
    for (ids, says) in [
        (vec![us, us + 1], format!("broker {}, but no such", us + 1)),
        (vec![us + 1, us], format!("broker {}, but no such", us + 1)),
        (vec![us, us], format!("broker {us} more than once")),
        (vec![], String::from("empty replica list")),
    ] {
        let assignment =
            CreatePartitionsAssignment::default().with_broker_ids(ids.into_iter().map(BrokerId).collect());
        let topic = growth("t", 2).with_assignments(Some(vec![assignment]));
        let request = CreatePartitionsRequest::default().with_topics(vec![topic]);
        match ask(&mut rig, 3, AdminRequest::CreatePartitions(request)) {
            AdminResponse::CreatePartitions(response) => {
                let told = response.results[0].error_message.as_ref().map(|text| text.to_string());
                assert!(told.as_ref().is_some_and(|told| told.contains(&says)), "{told:?}");
            }
            other => panic!("{other:?}"),
        }
    }
}
