//! ElectLeaders and reassignments: one broker is the leader and the only replica of everything.

use evenkeel_core::port::{AdminRequest, AdminResponse};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, ElectLeadersRequest, ListPartitionReassignmentsRequest,
    alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic},
    elect_leaders_request::TopicPartitions,
};

use super::{ask, topic_name};
use crate::rig::{Rig, small};

fn rig() -> Rig {
    let mut rig = Rig::new(small());
    rig.create("t", 1, &[]);
    rig
}

#[test]
fn the_leader_is_there_already() {
    let mut rig = rig();
    let mut elect = |kind: i8, asked: Option<&[(&str, &[i32])]>| {
        let asked = asked.map(|asked| {
            let topics = asked.iter().map(|(name, indexes)| {
                TopicPartitions::default().with_topic(topic_name(name)).with_partitions(indexes.to_vec())
            });
            topics.collect()
        });
        let request = ElectLeadersRequest::default().with_election_type(kind).with_topic_partitions(asked);
        match ask(&mut rig, 2, AdminRequest::ElectLeaders(request)) {
            AdminResponse::ElectLeaders(response) => {
                let told = response.replica_election_results.iter();
                let codes = told.flat_map(|topic| topic.partition_result.iter().map(|told| told.error_code));
                (response.error_code, codes.collect::<Vec<_>>())
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(elect(0, Some(&[("t", &[0, 1]), ("none", &[0])])), (0, vec![84, 3, 3]));
    assert_eq!(elect(1, Some(&[("t", &[0])])), (0, vec![84]));
    assert_eq!(elect(0, None), (0, vec![]), "of all, none needs one");
    assert_eq!(elect(7, None), (42, vec![]));
}

#[test]
fn nothing_can_be_moved_elsewhere_and_nothing_is_on_the_move() {
    let mut rig = rig();
    let us = rig.config.node_id;
    let mut assign = |name: &str, index: i32, replicas: Option<&[i32]>| {
        let replicas = replicas.map(|ids| ids.iter().map(|id| BrokerId(*id)).collect());
        let partition = ReassignablePartition::default().with_partition_index(index).with_replicas(replicas);
        let topic = ReassignableTopic::default().with_name(topic_name(name)).with_partitions(vec![partition]);
        let request = AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]);
        match ask(&mut rig, 1, AdminRequest::AlterPartitionReassignments(request)) {
            AdminResponse::AlterPartitionReassignments(response) => {
                assert_eq!(response.error_code, 0);
                response.responses[0].partitions[0].error_code
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(assign("t", 0, Some(&[us])), 0, "there it is");
    for wrong in [&[][..], &[us + 1], &[us, us + 1], &[us, us]] {
        assert_eq!(assign("t", 0, Some(wrong)), 39, "{wrong:?}");
    }
    assert_eq!(assign("t", 0, None), 85);
    assert_eq!((assign("t", 1, Some(&[us])), assign("none", 0, Some(&[us]))), (3, 3));
    let request = AdminRequest::ListPartitionReassignments(ListPartitionReassignmentsRequest::default());
    match ask(&mut rig, 0, request) {
        AdminResponse::ListPartitionReassignments(response) => assert_eq!(response.topics, []),
        other => panic!("{other:?}"),
    }
}
