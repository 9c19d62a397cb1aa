//! Bounds of what a client can make the broker hold, and the errors beyond them.

use std::time::Duration;

use bytes::Bytes;
use evenkeel_core::{
    ClientEvent, Config, Effect, Event,
    limits::{
        ANSWERS_BYTES_MAX, ANSWERS_OF_CONNECTION_BYTES_MAX, FETCH_SESSION_PARTITIONS_MAX, MEMBERS_BYTES_MAX,
        TOPIC_NAME_BYTES_MAX,
    },
    port::{
        AdminRequest, AdminResponse, FetchAnswer, FoundOffset, GroupRequest, GroupResponse, JoinIntake, Lane,
        Request, Response,
    },
    units::{ConnId, Tag},
};
use kafka_protocol::{
    messages::{
        CreateTopicsRequest, DescribeConfigsRequest, DescribeGroupsRequest, FetchRequest, GroupId,
        JoinGroupRequest, MetadataRequest, OffsetCommitRequest, OffsetFetchRequest, TopicName,
        create_topics_request::CreatableTopic,
        describe_configs_request::DescribeConfigsResource,
        fetch_request::{FetchPartition, FetchTopic},
        join_group_request::JoinGroupRequestProtocol,
        metadata_request::MetadataRequestTopic,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    },
    protocol::StrBytes,
};

use crate::rig::{Rig, batch, small};

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

fn taken(rig: &mut Rig, conn: u64, last: Tag) {
    rig.feed(vec![Event::Client(ConnId(conn), ClientEvent::Taken { last })]);
}

fn opened(rig: &mut Rig, conns: std::ops::Range<u64>, address: u128) {
    rig.feed(conns.map(|conn| Event::Client(ConnId(conn), ClientEvent::Opened { address })).collect());
}

fn all_topics() -> Request {
    Request::Metadata(MetadataRequest::default().with_topics(None))
}

/// A broker with 100,000 partitions: 20 MB of memory for all of its metadata.
fn wide() -> Rig {
    let mut rig = Rig::new(small());
    for at in 0..10 {
        assert_eq!(rig.create(&format!("t{at}"), 10_000, &[]).topics[0].error_code, 0);
    }
    rig.takes = false;
    rig
}

#[test]
fn answers_that_nobody_takes_are_built_up_to_a_bound_and_the_rest_wait() {
    let mut rig = wide();
    opened(&mut rig, 10..20, 1);
    opened(&mut rig, 20..21, 2);
    let of_one: Vec<Tag> = (0..64).map(|_| rig.send(10, 12, all_topics())).collect();
    let built = rig.replies.len() as u64;
    assert_eq!(built, ANSWERS_OF_CONNECTION_BYTES_MAX / 20_004_000, "a connection has a share");
    for conn in 11..20 {
        rig.send(conn, 12, all_topics());
    }
    let built = rig.replies.len() as u64;
    assert!((4..6).contains(&built), "{built} for one address");
    let other = rig.send(20, 12, all_topics());
    assert!(rig.reply(other).is_some(), "another address has room");
    assert!(20_004_000 * (rig.replies.len() as u64 + 1) <= ANSWERS_BYTES_MAX);

    // Each one that is taken lets another one come, until all are there.
    let mut got = 0;
    while let Some((conn, tag, _)) = rig.replies.pop() {
        got += 1;
        taken(&mut rig, conn.0, tag);
    }
    assert_eq!(got, of_one.len() + 9);
}

#[test]
fn a_connection_that_is_gone_gives_back_what_it_did_not_take() {
    let mut rig = wide();
    for conn in 10..100 {
        rig.send(conn, 12, all_topics());
    }
    assert!(rig.replies.len() < 10);
    rig.feed((10..100).map(|conn| Event::Client(ConnId(conn), ClientEvent::Closed)).collect());
    rig.replies.clear();
    let last = rig.send(100, 12, all_topics());
    assert!(rig.reply(last).is_some());
}

#[test]
fn a_stop_does_not_wait_for_who_does_not_take_answers() {
    let mut rig = wide();
    for conn in 10..30 {
        rig.send(conn, 12, all_topics());
    }
    let rig = rig.stop();
    assert!(!rig.closed.is_empty());
}

#[test]
fn fetches_get_shorter_answers_as_room_is_used_up_and_then_wait() {
    let mut rig = Rig::new(Config { cache_bytes: 1 << 30, ..Config::default() });
    rig.create("t", 1, &[]);
    for at in 0..60 {
        assert_eq!(rig.produce("t", 0, batch(1, 1_000_000, 1, at)).0, 0);
    }
    rig.takes = false;
    let all = || {
        let mut request = Rig::fetch_request("t", 0, 0, 0).with_max_bytes(50 << 20);
        request.topics[0].partitions[0].partition_max_bytes = 50 << 20;
        Request::Fetch(request)
    };
    let bytes_of = |answer: &Response| match answer {
        Response::Fetch(FetchAnswer { topics, .. }) => {
            topics[0].partitions[0].records.iter().map(Bytes::len).sum::<usize>()
        }
        other => panic!("{other:?}"),
    };
    let mut lens = Vec::new();
    for conn in 10..30 {
        let tag = rig.send(conn, 11, all());
        lens.extend(rig.reply(tag).map(|answer| bytes_of(&answer)));
    }
    assert!(lens[0] > 49_000_000, "{lens:?}");
    assert!(lens.last().is_some_and(|last| *last < 49_000_000), "{lens:?}");
    assert!((lens.iter().sum::<usize>() as u64) < ANSWERS_BYTES_MAX + (1 << 20), "{lens:?}");
    assert!(lens.len() < 6, "the others wait: {lens:?}");
    // Short ones are never kept waiting.
    let end = rig.send(40, 11, Request::Fetch(Rig::fetch_request("t", 0, 60, 0)));
    assert!(rig.reply(end).is_some());
    rig.feed(vec![Event::Client(ConnId(10), ClientEvent::Closed)]);
    assert!(!rig.replies.is_empty(), "there is room again");
}

fn parts(topic: &str, partitions: std::ops::Range<i32>) -> FetchTopic {
    let partitions = partitions.map(|index| {
        FetchPartition::default()
            .with_partition(index)
            .with_current_leader_epoch(-1)
            .with_partition_max_bytes(1)
    });
    FetchTopic::default().with_topic(TopicName(text(topic))).with_partitions(partitions.collect())
}

fn in_session(rig: &mut Rig, id: i32, epoch: i32, topics: Vec<FetchTopic>) -> FetchAnswer {
    let request = FetchRequest::default().with_session_id(id).with_session_epoch(epoch).with_topics(topics);
    match rig.ask(11, Request::Fetch(request)) {
        Response::Fetch(answer) => answer,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_incremental_session_grows_no_further_than_all_sessions_may() {
    let mut rig = Rig::new(small());
    let half = i32::try_from(FETCH_SESSION_PARTITIONS_MAX / 2).expect("small");
    let first = in_session(&mut rig, 0, 0, vec![parts("a", 0..half)]).session_id;
    let second = in_session(&mut rig, 0, 0, vec![parts("b", 0..10)]).session_id;
    assert!(first != 0 && second != 0);
    assert_eq!(in_session(&mut rig, second, 1, vec![parts("b", 10..half)]).error_code, 0);
    // What it follows already it may name again.
    assert_eq!(in_session(&mut rig, second, 2, vec![parts("b", 0..half)]).error_code, 0);
    assert_eq!(in_session(&mut rig, second, 3, vec![parts("b", 0..half + 1)]).error_code, 70);
    assert_eq!(in_session(&mut rig, first, 1, vec![]).error_code, 0, "the other one goes on");
    let again = in_session(&mut rig, 0, 0, vec![parts("b", 0..half + 1)]);
    assert_eq!((again.error_code, again.session_id), (0, 0), "a full fetch is answered without a session");
}

#[test]
fn a_session_has_one_fetch_at_a_time_and_no_name_that_no_topic_can_have() {
    let mut rig = Rig::new(small());
    rig.create("t", 1, &[]);
    let id = in_session(&mut rig, 0, 0, vec![parts("t", 0..1)]).session_id;
    let waits = |epoch| {
        let request = FetchRequest::default().with_session_id(id).with_session_epoch(epoch);
        Request::Fetch(request.with_max_wait_ms(1000).with_min_bytes(1).with_max_bytes(1))
    };
    let parked = rig.send(7, 11, waits(1));
    assert!(rig.reply(parked).is_none());
    assert_eq!(in_session(&mut rig, id, 2, vec![]).error_code, 71);
    rig.pass(Duration::from_secs(2));
    assert!(rig.reply(parked).is_some());
    assert_eq!(in_session(&mut rig, id, 2, vec![]).error_code, 0);
    // A connection that is gone leaves its session free.
    rig.send(7, 11, waits(3));
    rig.feed(vec![Event::Client(ConnId(7), ClientEvent::Closed)]);
    assert_eq!(in_session(&mut rig, id, 4, vec![]).error_code, 0);

    let long = "x".repeat(TOPIC_NAME_BYTES_MAX + 1);
    assert_eq!(in_session(&mut rig, 0, 0, vec![parts(&long, 0..1)]).session_id, 0);
    assert_eq!(in_session(&mut rig, id, 5, vec![parts(&long, 0..1)]).error_code, 70);
}

#[test]
fn what_a_list_offsets_names_twice_is_refused_the_second_time() {
    let mut rig = Rig::new(small());
    rig.create("t", 1, &[]);
    rig.produce("t", 0, batch(1, 1000, 1, 5));
    let mut request = Rig::list_request("t", 0, 1);
    let again = request.topics[0].partitions[0].clone();
    request.topics[0].partitions.extend(vec![again; 1000]);
    let Response::ListOffsets(answer) = rig.ask(7, Request::ListOffsets(request)) else {
        panic!("another answer")
    };
    let found: Vec<&FoundOffset> = answer.topics[0].partitions.iter().map(|listed| &listed.found).collect();
    assert!(matches!(found[0], FoundOffset::Within { .. }));
    assert!(found[1..].iter().all(|found| **found == FoundOffset::Error(42)));
}

#[test]
fn the_batches_of_a_list_offsets_are_held_up_to_a_bound_and_the_rest_is_asked_for_again() {
    let mut rig = Rig::new(Config::default());
    rig.create("t", 80, &[]);
    for partition in 0..80 {
        assert_eq!(rig.produce("t", partition, batch(1, 1_000_000, 1, 5)).0, 0);
    }
    rig.takes = false;
    let mut wanted: Vec<i32> = (0..80).collect();
    let mut rounds = 0;
    while !wanted.is_empty() {
        rounds += 1;
        let mut request = Rig::list_request("t", 0, 1);
        let one = request.topics[0].partitions[0].clone();
        request.topics[0].partitions =
            wanted.iter().map(|index| one.clone().with_partition_index(*index)).collect();
        let tag = rig.send(1, 7, Request::ListOffsets(request));
        let Some(Response::ListOffsets(answer)) = rig.reply(tag) else { panic!("another answer") };
        let later = |found: &FoundOffset| *found == FoundOffset::Error(78);
        let listed = &answer.topics[0].partitions;
        assert!(listed.len() - listed.iter().filter(|one| later(&one.found)).count() <= 51);
        wanted = listed.iter().filter(|one| later(&one.found)).map(|one| one.index).collect();
        taken(&mut rig, 1, tag);
    }
    assert_eq!(rounds, 2);
}

#[test]
fn answers_beyond_the_bound_of_their_api_are_refused_with_an_error() {
    let mut rig = Rig::new(small());
    rig.create("t", 10_000, &[]);
    let topics =
        (0..20_000).map(|at| CreatableTopic::default().with_name(TopicName(text(&format!("n{at}")))));
    let request = CreateTopicsRequest::default().with_topics(topics.collect()).with_validate_only(true);
    let Response::CreateTopics(answer) = rig.ask(7, Request::CreateTopics(request)) else {
        panic!("another")
    };
    assert_eq!(answer.topics.len(), 20_000);
    assert!(
        answer
            .topics
            .iter()
            .all(|topic| topic.error_code == 44 && topic.configs.as_ref().is_none_or(Vec::is_empty))
    );

    let resource = DescribeConfigsResource::default().with_resource_type(2).with_resource_name(text("t"));
    let request = DescribeConfigsRequest::default()
        .with_resources(vec![resource.with_configuration_keys(None); 9000])
        .with_include_synonyms(true)
        .with_include_documentation(true);
    let request = Request::Admin(AdminRequest::DescribeConfigs(request));
    let Response::Admin(AdminResponse::DescribeConfigs(answer)) = rig.ask(4, request) else {
        panic!("another")
    };
    assert!(answer.results.iter().all(|result| result.error_code == 44 && result.configs.is_empty()));
}

#[test]
fn offsets_rich_in_metadata_are_told_in_parts() {
    let mut rig = Rig::new(small());
    for at in 0..2 {
        rig.create(&format!("t{at}"), 10_000, &[]);
    }
    let metadata = text(&"m".repeat(4096));
    for topic in 0..2 {
        for some in (0..10_000).collect::<Vec<i32>>().chunks(1000) {
            let partitions = some.iter().map(|index| {
                OffsetCommitRequestPartition::default()
                    .with_partition_index(*index)
                    .with_committed_metadata(Some(metadata.clone()))
            });
            let topic = OffsetCommitRequestTopic::default()
                .with_name(TopicName(text(&format!("t{topic}"))))
                .with_partitions(partitions.collect());
            let request =
                OffsetCommitRequest::default().with_group_id(GroupId(text("g"))).with_topics(vec![topic]);
            rig.ask(8, Request::Group(GroupRequest::OffsetCommit(request)));
        }
    }
    let fetch = |rig: &mut Rig, version: i16, indexes: Option<std::ops::Range<i32>>| {
        let topics = indexes.map(|indexes| {
            vec![
                kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic::default()
                    .with_name(TopicName(text("t0")))
                    .with_partition_indexes(indexes.collect()),
            ]
        });
        let request = OffsetFetchRequest::default().with_group_id(GroupId(text("g"))).with_topics(topics);
        match rig.ask(version, Request::Group(GroupRequest::OffsetFetch(request))) {
            Response::Group(GroupResponse::OffsetFetch(answer)) => answer,
            other => panic!("{other:?}"),
        }
    };
    let all = fetch(&mut rig, 7, None);
    assert_eq!((all.error_code, all.topics.len()), (44, 0), "80 MB");
    let some = fetch(&mut rig, 7, Some(0..1000));
    assert_eq!((some.error_code, some.topics[0].partitions.len()), (0, 1000));
    assert_eq!(some.topics[0].partitions[9].metadata.as_ref().map(|text| text.len()), Some(4096));
}

/// Repeats are taken out before the brain; what comes nevertheless is counted for what it costs.
#[test]
fn a_request_that_repeats_itself_is_counted_in_full() {
    let mut rig = wide();
    let topic = MetadataRequestTopic::default().with_name(Some(TopicName(text("t1"))));
    let request = MetadataRequest::default().with_topics(Some(vec![topic; 60_000]));
    rig.send(5, 12, Request::Metadata(request));
    assert_eq!(rig.closed, [ConnId(5)]);
    let groups = vec![GroupId(text("none")); 1000];
    let request = DescribeGroupsRequest::default().with_groups(groups);
    let tag = rig.send(6, 5, Request::Group(GroupRequest::Describe(request)));
    assert!(rig.reply(tag).is_some());
}

/// What is left of a batch in the cache after a request in which all but `kept` of 100 KB was refused: whether it is a slice of the request.
fn is_slice_of_request(kept: usize) -> bool {
    let mut rig = Rig::new(Config::default());
    rig.create("t", 1, &[]);
    let request = Bytes::from(vec![7; 100_000]);
    let mut taken = batch(1, kept, 7, 5);
    taken.records = request.slice(request.len() - kept..);
    let Request::Produce(mut intake) = Rig::produce_request("t", 0, -1, taken) else {
        panic!("another request")
    };
    let Request::Produce(refused) = Rig::produce_request("not-there", 0, -1, batch(1, 10, 7, 5)) else {
        panic!("another request")
    };
    intake.topics.extend(refused.topics);
    intake.request_bytes = request.len() as u64;
    rig.ask(11, Request::Produce(intake));
    let answer = rig.fetch("t", 0, 0);
    let records = answer.topics[0].partitions[0].records.last().expect("a batch").clone();
    assert_eq!(records.len(), kept);
    request.as_ptr_range().contains(&records.as_ptr())
}

#[test]
fn a_small_batch_does_not_keep_the_large_request_it_came_in() {
    assert!(!is_slice_of_request(80));
    assert!(!is_slice_of_request(12_000));
    assert!(is_slice_of_request(13_000), "there is no copy where most of the request is kept");
    assert!(is_slice_of_request(99_000));
}

#[test]
fn a_cache_counts_the_requests_that_its_batches_hold() {
    let config = Config { cache_bytes: 100_000, ..Config::default() };
    let mut rig = Rig::new(config);
    rig.create("t", 1, &[]);
    for at in 0..10 {
        let Request::Produce(mut intake) = Rig::produce_request("t", 0, -1, batch(1, 10_000, 7, at)) else {
            panic!("another request")
        };
        intake.request_bytes = 40_000;
        rig.ask(11, Request::Produce(intake));
    }
    let reads = |rig: &Rig| {
        let effects = rig.recorded.iter().flat_map(|(_, _, effects)| effects);
        let read =
            |effect: &&Effect| matches!(effect, Effect::Disk(_, request) if request.lane == Lane::Read);
        effects.filter(read).count()
    };
    let before = reads(&rig);
    rig.fetch("t", 0, 8);
    assert_eq!(reads(&rig), before, "the last two are there");
    rig.fetch("t", 0, 7);
    assert_eq!(reads(&rig), before + 1, "two times 40,000 bytes is all that fits");
}

#[test]
fn an_answer_does_not_hold_what_lies_between_its_batches_on_the_disk() {
    let mut rig = Rig::new(Config { cache_bytes: 0, ..Config::default() });
    rig.create("t", 2, &[]);
    for at in 0..5 {
        rig.produce("t", 0, batch(1, 80, 7, at));
        rig.produce("t", 1, batch(1, 50_000, 7, at));
    }
    let answer = rig.fetch("t", 0, 0);
    let records = &answer.topics[0].partitions[0].records;
    assert_eq!(records.len(), 5);
    let gap = |pair: &[Bytes]| pair[0].as_ptr() as usize + 50_000 < pair[1].as_ptr() as usize;
    assert!(!records.windows(2).all(gap), "they are slices of one read");
}

fn join(rig: &mut Rig, group: &str, member: &str, metadata: usize) -> i16 {
    let protocols = (0..4).map(|at| {
        JoinGroupRequestProtocol::default()
            .with_name(text(&format!("p{at}")))
            .with_metadata(Bytes::from(vec![7; metadata]))
    });
    let request = JoinGroupRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_member_id(text(member))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(60_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(protocols.collect());
    let client = (String::from("c"), String::from("/127.0.0.1"));
    let intake = JoinIntake { client_id: client.0, client_host: client.1, request };
    match rig.ask(2, Request::Group(GroupRequest::Join(intake))) {
        Response::Group(GroupResponse::Join(answer)) => answer.error_code,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_subscriptions_of_all_members_have_a_bound() {
    let config = Config { group_initial_rebalance_delay: Duration::ZERO, ..Config::default() };
    let mut rig = Rig::new(config);
    let member = 4 * ((50 << 10) + 2) + 512;
    let fit = MEMBERS_BYTES_MAX / member;
    for at in 0..fit {
        assert_eq!(join(&mut rig, &format!("g{at}"), "", 50 << 10), 0, "member {at} of {fit}");
    }
    assert_eq!(join(&mut rig, "one-more", "", 50 << 10), 81);
    let id = rig.broker.state().and_then(|state| state.group("g0")?.members.keys().next().cloned());
    let id = id.expect("it has a member");
    assert_eq!(join(&mut rig, "g0", &id, 50 << 10), 0, "who is there stays");
    rig.pass(Duration::from_secs(11));
    assert_eq!(join(&mut rig, "one-more", "", 50 << 10), 0, "those that are not heard of make room");
}
