use kafka_protocol::{
    messages::{
        ApiVersionsRequest, CreateTopicsRequest, DeleteTopicsRequest, DescribeClusterRequest, FetchRequest,
        FindCoordinatorRequest, InitProducerIdRequest, ListOffsetsRequest, MetadataRequest,
        OffsetForLeaderEpochRequest, ProduceRequest,
    },
    protocol::{HeaderVersion, Message, Request},
};

use super::*;

fn agrees<R: Request + Message>(served: &Served) {
    assert_eq!(served.key, R::KEY, "{:?}", served.api);
    assert!(R::VERSIONS.min <= served.min && served.max <= R::VERSIONS.max, "{:?}", served.api);
    for version in served.min..=served.max {
        let context = (served.api, version);
        assert_eq!(
            R::header_version(version),
            if served.is_flexible(version) { 2 } else { 1 },
            "{context:?}"
        );
        let response = i16::from(served.has_flexible_response_header(version));
        assert_eq!(<R::Response as HeaderVersion>::header_version(version), response, "{context:?}");
    }
}

#[test]
fn the_table_agrees_with_the_crate_on_keys_versions_and_headers() {
    for served in &SERVED {
        match served.api {
            Produce => agrees::<ProduceRequest>(served),
            Fetch => agrees::<FetchRequest>(served),
            ListOffsets => agrees::<ListOffsetsRequest>(served),
            Metadata => agrees::<MetadataRequest>(served),
            FindCoordinator => agrees::<FindCoordinatorRequest>(served),
            ApiVersions => agrees::<ApiVersionsRequest>(served),
            CreateTopics => agrees::<CreateTopicsRequest>(served),
            DeleteTopics => agrees::<DeleteTopicsRequest>(served),
            InitProducerId => agrees::<InitProducerIdRequest>(served),
            OffsetForLeaderEpoch => agrees::<OffsetForLeaderEpochRequest>(served),
            DescribeCluster => agrees::<DescribeClusterRequest>(served),
        }
    }
}

#[test]
fn the_table_is_in_order_of_keys_and_holds_none_twice() {
    assert!(SERVED.is_sorted_by(|a, b| a.key < b.key));
}
