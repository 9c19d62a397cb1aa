//! The production runtime under madsim: the same sockets, driver and timers, on a simulated network, clock and disk.
//!
//! `RUSTFLAGS="--cfg madsim" cargo test -p evenkeel-sim --test cluster --target-dir target/madsim`
#![cfg(madsim)]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use evenkeel::{
    lanes::Tasks,
    server::{self, Ended, Serving},
    shards::Shards,
};
use evenkeel_core::{
    Config,
    port::{Disk, Fault},
    wire::batch,
};
use evenkeel_sim::disk::SimDisk;
use kafka_protocol::{
    messages::{
        ApiKey, FetchRequest, FetchResponse, MetadataRequest, MetadataResponse, ProduceRequest,
        ProduceResponse, RequestHeader, TopicName,
        fetch_request::{FetchPartition, FetchTopic},
        metadata_request::MetadataRequestTopic,
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    protocol::{Decodable, Encodable, StrBytes},
};
use madsim::runtime::Handle;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const BROKER: &str = "10.0.0.1:9092";

fn config() -> Config {
    Config {
        advertised_host: String::from("10.0.0.1"),
        segment_bytes: 64 << 10,
        message_bytes_max: 20_000,
        cache_bytes: 4 << 10,
        ..Config::default()
    }
}

/// What a broker finds when its node starts: its disk, and how often it has started before.
#[derive(Default)]
struct Machine {
    disk: Arc<SimDisk>,
    starts: u64,
}

/// What a node runs, each time it starts.
async fn broker(machine: Arc<Mutex<Machine>>, seed: u64) {
    let (disk, starts) = {
        let mut machine = machine.lock().expect("no panic");
        machine.starts += 1;
        (Arc::clone(&machine.disk), machine.starts)
    };
    let listener = tokio::net::TcpListener::bind("0.0.0.0:9092").await.expect("the address is free");
    let disk: Arc<dyn Disk> = disk;
    let lanes = Box::new(Tasks::start(&disk, Duration::from_micros(200)));
    let stop = std::future::pending();
    match server::serve(listener, config(), Serving::default(), seed + starts, lanes, Shards::default(), stop)
        .await
    {
        Ended::Halted(Fault::Refused(refusal)) => panic!("seed {seed}: {refusal}"),
        ended @ (Ended::Halted(Fault::LogWrite(_)) | Ended::Stopped) => {
            panic!("seed {seed}: {ended:?} without a reason")
        }
    }
}

fn name(text: &str) -> TopicName {
    TopicName(StrBytes::from_string(text.to_string()))
}

/// Sends one request and waits for its answer on a connection of its own. `None`: the connection broke.
async fn ask<Answer: Decodable>(
    key: ApiKey,
    version: i16,
    headers: (i16, usize),
    body: &impl Encodable,
) -> Option<Answer> {
    let mut request = BytesMut::from(&[0u8; 4][..]);
    let header = RequestHeader::default().with_request_api_key(key as i16).with_request_api_version(version);
    header.encode(&mut request, headers.0).expect("a valid header");
    body.encode(&mut request, version).expect("a valid request");
    let len = i32::try_from(request.len() - 4).expect("small");
    request[..4].copy_from_slice(&len.to_be_bytes());
    let talk = async {
        let mut stream = TcpStream::connect(BROKER).await.ok()?;
        // In pieces, so that frames arrive in pieces.
        for piece in request.chunks(1000) {
            stream.write_all(piece).await.ok()?;
            stream.flush().await.ok()?;
        }
        let mut len = [0; 4];
        stream.read_exact(&mut len).await.ok()?;
        let mut answer = vec![0; usize::try_from(i32::from_be_bytes(len)).expect("not negative")];
        stream.read_exact(&mut answer).await.ok()?;
        let mut answer = Bytes::from(answer).slice(headers.1..);
        Some(Answer::decode(&mut answer, version).expect("a valid answer"))
    };
    tokio::time::timeout(Duration::from_secs(5), talk).await.ok().flatten()
}

/// A batch of one record whose value is `value`.
fn one_record(value: u32) -> Bytes {
    let value = value.to_be_bytes();
    let mut record = vec![0, 0, 0, 1, 8];
    record.extend_from_slice(&value);
    record.push(0);
    let mut records = vec![u8::try_from(record.len() * 2).expect("small")];
    records.extend_from_slice(&record);
    let mut header = [0; batch::HEADER_BYTES];
    header[16] = 2;
    header[43..57].fill(0xff);
    let mut header = batch::BatchHeader { record_count: 1, ..batch::BatchHeader::parse(&header) };
    header.batch_length =
        i32::try_from(batch::HEADER_BYTES + records.len() - batch::LENGTH_OVERHEAD).expect("small");
    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(&records);
    header.crc = crc32c::crc32c(&bytes[batch::CRC_COVERS_FROM..]);
    bytes[..batch::HEADER_BYTES].copy_from_slice(&header.encode());
    Bytes::from(bytes)
}

async fn produce(value: u32) -> Option<i64> {
    let data = PartitionProduceData::default().with_index(0).with_records(Some(one_record(value)));
    let topic = TopicProduceData::default().with_name(name("t")).with_partition_data(vec![data]);
    let request =
        ProduceRequest::default().with_transactional_id(None).with_acks(-1).with_topic_data(vec![topic]);
    let answer: ProduceResponse = ask(ApiKey::Produce, 8, (1, 4), &request).await?;
    let answered = &answer.responses[0].partition_responses[0];
    (answered.error_code == 0).then_some(answered.base_offset)
}

/// Values by offset.
async fn read_all() -> Option<Vec<u32>> {
    let mut values = Vec::new();
    loop {
        let offset = i64::try_from(values.len()).expect("few");
        let partition = FetchPartition::default()
            .with_current_leader_epoch(-1)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(1 << 20);
        let topic = FetchTopic::default().with_topic(name("t")).with_partitions(vec![partition]);
        let request =
            FetchRequest::default().with_max_bytes(1 << 20).with_session_epoch(-1).with_topics(vec![topic]);
        let answer: FetchResponse = ask(ApiKey::Fetch, 11, (1, 4), &request).await?;
        let fetched = &answer.responses[0].partitions[0];
        assert_eq!(fetched.error_code, 0);
        let mut rest = fetched.records.clone().unwrap_or_default();
        if rest.is_empty() {
            return Some(values);
        }
        while !rest.is_empty() {
            let header = batch::BatchHeader::parse(rest[..batch::HEADER_BYTES].try_into().expect("whole"));
            assert_eq!(
                header.base_offset.0,
                i64::try_from(values.len()).expect("few"),
                "offsets without a gap"
            );
            let len = usize::try_from(header.batch_length).expect("positive") + batch::LENGTH_OVERHEAD;
            let record = rest.split_to(len);
            let value = &record[batch::HEADER_BYTES + 6..batch::HEADER_BYTES + 10];
            values.push(u32::from_be_bytes(value.try_into().expect("four bytes")));
        }
    }
}

/// Produces while the broker is killed again and again, by a power cut each time. Whatever was acknowledged is there.
async fn run(seed: u64) -> (usize, u32) {
    let handle = Handle::current();
    let ip = BROKER.parse::<SocketAddr>().expect("an address").ip();
    let machine = Arc::new(Mutex::new(Machine::default()));
    let starting = Arc::clone(&machine);
    let node =
        handle.create_node().name("broker").ip(ip).init(move || broker(Arc::clone(&starting), seed)).build();
    let client = handle.create_node().name("client").ip("10.0.0.2".parse().expect("an address")).build();
    let (acked, mut progress) = (Arc::new(Mutex::new(Vec::new())), 0);
    let known = Arc::clone(&acked);
    let producing = client.spawn(async move {
        let topic = MetadataRequestTopic::default().with_name(Some(name("t")));
        let request =
            MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(true);
        while ask::<MetadataResponse>(ApiKey::Metadata, 8, (1, 4), &request).await.is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for value in 0..u32::MAX {
            match produce(value).await {
                Some(offset) => known.lock().expect("no panic").push((offset, value)),
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    });
    let mut cuts = 0;
    for round in 0..6 {
        let wanted = progress + 30;
        let begun = tokio::time::Instant::now();
        while acked.lock().expect("no panic").len() < wanted {
            assert!(begun.elapsed() < Duration::from_secs(60), "seed {seed}: no progress after cut {round}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        progress = acked.lock().expect("no panic").len();
        handle.kill(node.id());
        {
            let mut machine = machine.lock().expect("no panic");
            machine.disk = Arc::new(machine.disk.power_cut(seed ^ (round << 32)));
        }
        cuts += 1;
        handle.restart(node.id());
    }
    producing.abort();
    let found = client
        .spawn(async {
            loop {
                if let Some(found) = read_all().await {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .expect("it reads");
    let acked = acked.lock().expect("no panic");
    for (offset, value) in acked.iter() {
        let at = usize::try_from(*offset).expect("not negative");
        assert_eq!(found.get(at), Some(value), "seed {seed}: lost or changed at offset {offset}");
    }
    (acked.len(), cuts)
}

#[test]
fn nothing_acknowledged_is_lost_over_power_cuts_of_the_whole_runtime() {
    let seeds =
        std::env::var("EVENKEEL_CLUSTER_SEEDS").ok().and_then(|given| given.parse().ok()).unwrap_or(20);
    let first: u64 = std::env::var("EVENKEEL_SEED").ok().and_then(|given| given.parse().ok()).unwrap_or(1);
    for seed in first..first + seeds {
        eprintln!("EVENKEEL_SEED={seed}");
        let (acked, cuts) = madsim::runtime::Runtime::with_seed_and_config(seed, madsim::Config::default())
            .block_on(run(seed));
        assert!(acked >= 180 && cuts == 6);
    }
}
