use kafka_protocol::{
    messages::{
        CreateTopicsResponse, DeleteTopicsResponse, DescribeClusterResponse, FindCoordinatorResponse,
        InitProducerIdResponse, MetadataResponse, OffsetForLeaderEpochResponse, ProduceResponse,
        ResponseHeader, TopicName,
    },
    protocol::{Decodable, StrBytes},
};

use super::*;
use crate::{
    port::{FetchAnswer, ListedTopic},
    units::Timestamp,
    wire::sample::{self, Dice, header, records, versions},
};

/// Body of a frame whose length and header are right.
fn body(frame: &Frame, form: Form) -> Bytes {
    let mut bytes = Bytes::from(frame.concat());
    let mut rest = bytes.split_off(4);
    assert_eq!(i32::from_be_bytes(bytes[..].try_into().expect("four bytes")) as usize, rest.len());
    let version = i16::from(form.served.has_flexible_response_header(form.version));
    let header = ResponseHeader::decode(&mut rest, version).expect("a header");
    assert_eq!(header.correlation_id, form.correlation_id);
    rest
}

fn of_groups(api: GroupApi) -> GroupResponse {
    match api {
        GroupApi::OffsetCommit => GroupResponse::OffsetCommit(Default::default()),
        GroupApi::OffsetFetch => GroupResponse::OffsetFetch(Default::default()),
        GroupApi::JoinGroup => GroupResponse::Join(Default::default()),
        GroupApi::Heartbeat => GroupResponse::Heartbeat(Default::default()),
        GroupApi::LeaveGroup => GroupResponse::Leave(Default::default()),
        GroupApi::SyncGroup => GroupResponse::Sync(Default::default()),
        GroupApi::DescribeGroups => GroupResponse::Describe(Default::default()),
        GroupApi::ListGroups => GroupResponse::List(Default::default()),
        GroupApi::DeleteGroups => GroupResponse::Delete(Default::default()),
        GroupApi::OffsetDelete => GroupResponse::OffsetDelete(Default::default()),
    }
}

fn of_admin(api: AdminApi) -> AdminResponse {
    match api {
        AdminApi::DeleteRecords => AdminResponse::DeleteRecords(Default::default()),
        AdminApi::DescribeConfigs => AdminResponse::DescribeConfigs(Default::default()),
        AdminApi::AlterConfigs => AdminResponse::AlterConfigs(Default::default()),
        AdminApi::DescribeLogDirs => AdminResponse::DescribeLogDirs(Default::default()),
        AdminApi::CreatePartitions => AdminResponse::CreatePartitions(Default::default()),
        AdminApi::ElectLeaders => AdminResponse::ElectLeaders(Default::default()),
        AdminApi::IncrementalAlterConfigs => AdminResponse::IncrementalAlterConfigs(Default::default()),
        AdminApi::AlterPartitionReassignments => {
            AdminResponse::AlterPartitionReassignments(Default::default())
        }
        AdminApi::ListPartitionReassignments => AdminResponse::ListPartitionReassignments(Default::default()),
        AdminApi::DescribeProducers => AdminResponse::DescribeProducers(Default::default()),
        AdminApi::DescribeTopicPartitions => AdminResponse::DescribeTopicPartitions(Default::default()),
    }
}

#[test]
fn an_answer_of_every_api_is_encoded_in_every_version() {
    for (served, version) in versions() {
        let response = match served.api {
            Api::Produce => Response::Produce(ProduceResponse::default()),
            Api::Fetch => Response::Fetch(FetchAnswer::default()),
            Api::ListOffsets => Response::ListOffsets(ListOffsetsAnswer::default()),
            Api::Metadata => Response::Metadata(MetadataResponse::default()),
            Api::FindCoordinator => Response::FindCoordinator(FindCoordinatorResponse::default()),
            Api::ApiVersions => continue,
            Api::CreateTopics => Response::CreateTopics(CreateTopicsResponse::default()),
            Api::DeleteTopics => Response::DeleteTopics(DeleteTopicsResponse::default()),
            Api::InitProducerId => Response::InitProducerId(InitProducerIdResponse::default()),
            Api::OffsetForLeaderEpoch => {
                Response::OffsetForLeaderEpoch(OffsetForLeaderEpochResponse::default())
            }
            Api::DescribeCluster => Response::DescribeCluster(DescribeClusterResponse::default()),
            Api::Group(api) => Response::Group(of_groups(api)),
            Api::Admin(api) => Response::Admin(of_admin(api)),
        };
        let form = Form { served, version, correlation_id: 31 };
        let frame = encode(response, form).expect("not silence");
        body(&frame, form);
    }
}

fn listed_in(version: i16, found: FoundOffset) -> (i16, i64, i64, i32) {
    let served = Served::by_key(2).expect("list offsets");
    let topic = ListedTopic {
        name: TopicName(StrBytes::from_static_str("t")),
        partitions: [ListedPartition { index: 3, found }].into(),
    };
    let form = Form { served, version, correlation_id: 1 };
    let frame = encode(Response::ListOffsets(ListOffsetsAnswer { topics: [topic].into() }), form);
    let mut rest = body(&frame.expect("not silence"), form);
    let message = ListOffsetsResponse::decode(&mut rest, version).expect("that version");
    assert!(rest.is_empty());
    let line = &message.topics[0].partitions[0];
    assert_eq!(line.partition_index, 3);
    (line.error_code, line.offset, line.timestamp, line.leader_epoch)
}

fn batch(codec: i16) -> Vec<Bytes> {
    let mut header = header(&[0, 5, 9]);
    header.base_offset = Offset(100);
    header.attributes = codec;
    [sample::batch(header, &sample::compressed(&mut Dice(1), codec, &records(&[0, 5, 9])))].into()
}

#[test]
fn offsets_are_listed_in_every_version_with_a_leader_epoch_from_4() {
    for version in 1..=10 {
        let epoch = |epoch| if version >= 4 { epoch } else { -1 };
        let at = FoundOffset::At { timestamp: Timestamp(-1), offset: Offset(42), leader_epoch: 6 };
        assert_eq!(listed_in(version, at), (0, 42, -1, epoch(6)));
        assert_eq!(listed_in(version, FoundOffset::Error(3)), (3, -1, -1, -1));
        let within = FoundOffset::Within {
            batch: batch(4),
            from: Offset(0),
            timestamp: Timestamp(1003),
            leader_epoch: 6,
        };
        assert_eq!(listed_in(version, within), (0, 101, 1005, epoch(6)));
    }
}

#[test]
fn a_batch_without_the_record_it_promised_answers_its_first_offset() {
    for codec in 0..=4 {
        let within = FoundOffset::Within {
            batch: batch(codec),
            from: Offset(0),
            timestamp: Timestamp(1010),
            leader_epoch: 6,
        };
        assert_eq!(listed_in(8, within), (0, 100, 1000, 6), "codec {codec}");
    }
    let mut damaged = batch(3)[0].to_vec();
    damaged[70] ^= 0xff;
    damaged.truncate(90);
    let slices = Vec::from([Bytes::copy_from_slice(&damaged[..20]), Bytes::copy_from_slice(&damaged[20..])]);
    let within =
        FoundOffset::Within { batch: slices, from: Offset(0), timestamp: Timestamp(1009), leader_epoch: 6 };
    assert_eq!(listed_in(8, within), (0, 100, 1000, 6));
}
