//! Ten thousand groups and ten thousand partitions: what they cost in memory, at a restart, and beside a produce.

use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use evenkeel_tests::{Broker, kafka, log_files, raw, raw::Raw};
use kafka_protocol::{
    messages::{
        ApiKey, GroupId, JoinGroupRequest, JoinGroupResponse, OffsetCommitRequest, OffsetCommitResponse,
        SyncGroupRequest, SyncGroupResponse, TopicName,
        join_group_request::JoinGroupRequestProtocol,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        sync_group_request::SyncGroupRequestAssignment,
    },
    protocol::{Decodable, StrBytes},
};

use crate::{percentile, resident_kib, row};

const GROUPS: usize = 10_000;
const PARTITIONS: i32 = 10_000;
/// Partitions that each group commits.
const EACH: i32 = 10;
/// Requests of a connection on their way at once.
const IN_FLIGHT: usize = 16;
const CLIENTS: usize = 4;

/// A group with its one member.
#[derive(Clone)]
struct Member {
    group: usize,
    id: StrBytes,
    generation: i32,
}

pub(crate) fn groups(temporary: &Path) {
    let place = temporary.join("groups");
    let mut broker =
        Broker::start(&place, &["--object-store", "none", "--group-initial-rebalance-delay", "0s"]);
    let empty = resident_kib(broker.pid());
    kafka::create_topic(&broker.bootstrap(), "t", PARTITIONS);
    let with_partitions = resident_kib(broker.pid());
    let members = join_all(broker.address());
    let with_groups = resident_kib(broker.pid());
    println!("| memory: {PARTITIONS} partitions | {} kB | | |", with_partitions - empty);
    println!(
        "| memory: {GROUPS} groups of one member, {EACH} committed offsets each | {} kB | | |",
        with_groups - with_partitions
    );
    latencies(broker.address(), &members);
    saturations(broker.address(), &members);
    broker.kill();
    restart(&mut broker, "a kill");
    let told = commit(&mut Raw::connect(broker.address()).expect("connected"), &members[GROUPS - 1], 1);
    assert_eq!(told, 0, "the restart has shuffled nothing");
    assert!(broker.stop().success());
    restart(&mut broker, "a stop in order");
    println!("| memory after that restart | {} kB | | |", resident_kib(broker.pid()));
}

/// The log of so many groups, read and folded, against reading its files.
fn restart(broker: &mut Broker, after: &str) {
    let begun = Instant::now();
    let read: usize = log_files::segments(broker.directory())
        .iter()
        .map(|file| std::fs::read(file).expect("read").len())
        .sum();
    let bare = begun.elapsed();
    broker.start_again();
    row(
        &format!(
            "restart after {after} with {GROUPS} groups and {PARTITIONS} partitions, {} MiB of log, against reading it",
            read >> 20
        ),
        &format!("{:.0?}", broker.start_time),
        &format!("{bare:.0?}"),
        broker.start_time.as_secs_f64() / bare.as_secs_f64(),
    );
}

/// One client, one request at a time: a commit of one offset against a produce of one record, by turns.
fn latencies(address: SocketAddr, members: &[Member]) {
    const ROUNDS: usize = 10;
    const TIMES: usize = 200;
    let mut client = Raw::connect(address).expect("connected");
    let produce = raw::produce("t", 0, raw::batch(1, 100));
    let (mut commits, mut produces, mut answer) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        for at in 0..TIMES {
            let begun = Instant::now();
            let told = commit(&mut client, &members[round * TIMES + at], 1);
            commits.push(begun.elapsed());
            assert_eq!(told, 0);
        }
        for _ in 0..TIMES {
            let begun = Instant::now();
            client.send(&produce).and_then(|()| client.receive(&mut answer)).expect("answered");
            produces.push(begun.elapsed());
            assert_eq!(raw::produce_error(&answer), 0);
        }
    }
    for (name, part) in [("median", 0.5), ("99th percentile", 0.99)] {
        let (ours, bare) = (percentile(&mut commits, part), percentile(&mut produces, part));
        row(
            &format!("offset commit of one client, {name}, {GROUPS} groups there, against a produce"),
            &format!("{ours:.0?}"),
            &format!("{bare:.0?}"),
            ours.as_secs_f64() / bare.as_secs_f64(),
        );
    }
}

/// Every group commits, several clients at once, against as many produces of one record.
fn saturations(address: SocketAddr, members: &[Member]) {
    let spread = |ask: &(dyn Fn(usize) -> Vec<u8> + Sync), check: fn(&[u8])| -> Duration {
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                scope.spawn(move || {
                    let requests = (client..GROUPS).step_by(CLIENTS).map(ask);
                    pipeline(&mut Raw::connect(address).expect("connected"), requests, check);
                });
            }
        });
        begun.elapsed()
    };
    let (mut ratios, mut ours, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..3 {
        let commits =
            spread(&|at| commit_request(&members[at], 1), |answer| assert_eq!(commit_error(answer), 0));
        let record = raw::batch(1, 100);
        let produces = spread(
            &|at| raw::produce("t", i32::try_from(at).expect("few") % PARTITIONS, record.clone()),
            |answer| assert_eq!(raw::produce_error(answer), 0),
        );
        ours.push(commits);
        bare.push(produces);
        ratios.push(produces.as_secs_f64() / commits.as_secs_f64());
    }
    ratios.sort_unstable_by(f64::total_cmp);
    let rate =
        |times: &mut [Duration]| format!("{:.0}/s", GROUPS as f64 / percentile(times, 0.5).as_secs_f64());
    row(
        &format!(
            "{GROUPS} groups that commit over {CLIENTS} connections, against as many produces of one record"
        ),
        &rate(&mut ours),
        &rate(&mut bare),
        ratios[1],
    );
}

/// Sends requests with several on their way, and checks each answer.
fn pipeline(client: &mut Raw, requests: impl Iterator<Item = Vec<u8>>, mut check: impl FnMut(&[u8])) {
    let mut answer = Vec::new();
    let mut open = 0;
    for request in requests {
        client.send(&request).expect("sent");
        open += 1;
        if open == IN_FLIGHT {
            client.receive(&mut answer).expect("answered");
            check(&answer);
            open -= 1;
        }
    }
    for _ in 0..open {
        client.receive(&mut answer).expect("answered");
        check(&answer);
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

fn group_id(group: usize) -> GroupId {
    GroupId(text(&format!("group-{group:05}")))
}

/// Every group gets its member, its assignment and its first offsets.
fn join_all(address: SocketAddr) -> Vec<Member> {
    let mut client = Raw::connect(address).expect("connected");
    let mut members: Vec<Member> = Vec::new();
    pipeline(&mut client, (0..GROUPS).map(join_request), |answer| {
        let told =
            JoinGroupResponse::decode(&mut Bytes::copy_from_slice(&answer[4..]), 3).expect("a join answer");
        assert_eq!(told.error_code, 0);
        members.push(Member { group: members.len(), id: told.member_id, generation: told.generation_id });
    });
    pipeline(&mut client, members.iter().map(sync_request), |answer| {
        let told =
            SyncGroupResponse::decode(&mut Bytes::copy_from_slice(&answer[4..]), 3).expect("a sync answer");
        assert_eq!(told.error_code, 0);
    });
    pipeline(&mut client, members.iter().map(|member| commit_request(member, EACH)), |answer| {
        assert_eq!(commit_error(answer), 0);
    });
    members
}

fn join_request(group: usize) -> Vec<u8> {
    let mut subscription = vec![0, 1, 0, 0, 0, 1, 0, 1, b't'];
    subscription.extend_from_slice(&(-1i32).to_be_bytes());
    let protocol =
        JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(Bytes::from(subscription));
    let request = JoinGroupRequest::default()
        .with_group_id(group_id(group))
        .with_session_timeout_ms(1_800_000)
        .with_rebalance_timeout_ms(300_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol]);
    raw::frame(ApiKey::JoinGroup, 3, 1, &request)
}

fn sync_request(member: &Member) -> Vec<u8> {
    // What a real assignor writes is about as long.
    let assignment = Bytes::from(vec![b'a'; 60]);
    let assignment =
        SyncGroupRequestAssignment::default().with_member_id(member.id.clone()).with_assignment(assignment);
    let request = SyncGroupRequest::default()
        .with_group_id(group_id(member.group))
        .with_generation_id(member.generation)
        .with_member_id(member.id.clone())
        .with_assignments(vec![assignment]);
    raw::frame(ApiKey::SyncGroup, 3, 1, &request)
}

fn commit_request(member: &Member, partitions: i32) -> Vec<u8> {
    let first = i32::try_from(member.group).expect("few") * EACH;
    let partitions = (0..partitions).map(|at| {
        OffsetCommitRequestPartition::default()
            .with_partition_index((first + at) % PARTITIONS)
            .with_committed_offset(1)
            .with_committed_metadata(Some(StrBytes::default()))
    });
    let topic = OffsetCommitRequestTopic::default()
        .with_name(TopicName(text("t")))
        .with_partitions(partitions.collect());
    let request = OffsetCommitRequest::default()
        .with_group_id(group_id(member.group))
        .with_generation_id_or_member_epoch(member.generation)
        .with_member_id(member.id.clone())
        .with_topics(vec![topic]);
    raw::frame(ApiKey::OffsetCommit, 7, 1, &request)
}

fn commit_error(answer: &[u8]) -> i16 {
    let told =
        OffsetCommitResponse::decode(&mut Bytes::copy_from_slice(&answer[4..]), 7).expect("a commit answer");
    told.topics[0]
        .partitions
        .iter()
        .map(|partition| partition.error_code)
        .find(|code| *code != 0)
        .unwrap_or(0)
}

fn commit(client: &mut Raw, member: &Member, partitions: i32) -> i16 {
    let mut answer = Vec::new();
    client
        .send(&commit_request(member, partitions))
        .and_then(|()| client.receive(&mut answer))
        .expect("answered");
    commit_error(&answer)
}
