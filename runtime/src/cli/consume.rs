//! `evenkeel topic consume`: records become lines. In a group, offsets are committed once the lines before them are written.

use std::{collections::BTreeMap, io, pin::pin, time::Duration};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use kafka_protocol::{
    ResponseError,
    messages::{
        FetchRequest,
        fetch_request::{FetchPartition, FetchTopic},
    },
};
use tokio::time::sleep;

use super::{
    client::{Client, Node, say, topic_name},
    committed::committed,
    failure::{Failure, check, reason},
    json::Json,
    member::{Member, Standing},
    offsets::offsets,
    output::Output,
    place::{Place, place},
    records::{Incoming, walk},
};

/// How long a broker waits for records before it says that there are none.
const WAIT: Duration = Duration::from_millis(500);
/// Most bytes of one partition in an answer, and of all.
const PARTITION_BYTES_MAX: i32 = 1 << 20;
const BYTES_MAX: i32 = 8 << 20;
/// How long leaving the group may hold up the end.
const LEAVING: Duration = Duration::from_secs(5);

/// Arguments of `topic consume`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
evenkeel topic consume orders --until-end\n  \
evenkeel topic consume orders --from 2026-11-25T20:00:00Z --format json\n  \
evenkeel topic consume orders --partition 0 --from 1000 --max 10\n  \
evenkeel topic consume orders --group billing\n\n\
The formats: `value` is the value and a line feed; `key-value` puts the key and the separator before it; `json` is an object on a \
line: topic, partition, offset, timestamp (milliseconds since 1970), key, value, headers (a list of name and value). What is not \
UTF-8 comes in Base64 there, under key_base64, value_base64 or name_base64. A null is an empty text, in JSON null.\n\n\
Without --until-end or --max it waits for more until Ctrl-C. In a group each record comes at least once; Ctrl-C commits and \
leaves the group.")]
pub(super) struct Consume {
    /// Topic.
    name: String,
    /// Where to begin: beginning, end, an offset, or a time (@MILLISECONDS, or 2026-11-25T20:00:00Z). In a group: where nothing
    /// is committed.
    #[arg(long, value_name = "WHERE", default_value = "beginning", value_parser = place)]
    from: Place,
    /// Only this partition. Default: all.
    #[arg(long, short, value_name = "P", conflicts_with = "group", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// Join this consumer group: its members share the partitions and commit what they have read.
    #[arg(long, short, value_name = "GROUP")]
    group: Option<String>,
    /// End after so many records.
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max: Option<u64>,
    /// End where the partitions ended when we came.
    #[arg(long, short = 'e')]
    until_end: bool,
    /// What to print.
    #[arg(long, short, value_enum, default_value_t = Format::Value)]
    format: Format,
    /// Between key and value in the format key-value.
    #[arg(long, short = 'k', value_name = "TEXT", default_value = "\t", hide_default_value = true)]
    key_separator: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Value,
    KeyValue,
    Json,
}

/// How far a partition was read.
#[derive(Clone, Copy, Debug)]
struct Position {
    next: i64,
    /// Where to end; never if there is none.
    end: Option<i64>,
}

impl Position {
    fn is_done(&self) -> bool {
        self.end.is_some_and(|end| self.next >= end)
    }
}

/// One consumer at work.
struct Reader {
    consume: Consume,
    positions: BTreeMap<i32, Position>,
    /// Partitions by leader; empty: to be asked.
    leaders: BTreeMap<i32, Vec<i32>>,
    member: Option<Member>,
    /// Written, and not yet committed.
    written: BTreeMap<i32, i64>,
    left: u64,
}

impl Consume {
    pub(super) async fn run<S: Future<Output = ()>>(
        self,
        client: &mut Client,
        output: &mut Output,
        stop: impl FnOnce() -> io::Result<S>,
    ) -> Result<(), Failure> {
        let stop = stop()
            .map_err(|error| Failure::Wrong(format!("cannot listen for signals: {}", reason(&error))))?;
        let mut reader = Reader {
            positions: BTreeMap::new(),
            leaders: BTreeMap::new(),
            member: self.group.as_ref().map(|group| Member::new(group, &self.name)),
            written: BTreeMap::new(),
            left: self.max.unwrap_or(u64::MAX),
            consume: self,
        };
        // The future that is dropped takes its connections with it; what it has written is in the reader.
        let done = tokio::select! {
            biased;
            () = pin!(stop) => Ok(()),
            done = reader.read(client, output) => done,
        };
        done.and(reader.end(client).await)
    }
}

impl Reader {
    async fn read(&mut self, client: &mut Client, output: &mut Output) -> Result<(), Failure> {
        self.begin(client).await?;
        loop {
            if self.left == 0 || (self.consume.until_end && self.positions.values().all(Position::is_done)) {
                return Ok(());
            }
            let fetched = self.fetch(client).await?;
            let mut printed =
                fetched.iter().try_for_each(|(partition, batches)| self.print(*partition, batches, output));
            printed = printed.and_then(|()| output.flush());
            if printed.is_err() {
                // What nobody has read is not committed.
                self.written.clear();
            }
            printed?;
            if self.stand(client).await? == Standing::Outdated {
                self.begin(client).await?;
            }
        }
    }

    /// Which partitions, and from where on.
    async fn begin(&mut self, client: &mut Client) -> Result<(), Failure> {
        let name = self.consume.name.clone();
        // A topic that is not there is an error, in a group too.
        let topic = client.retry(async |client| client.topic(&name).await).await?;
        self.leaders.clear();
        self.positions.clear();
        self.written.clear();
        let mut partitions: Vec<i32> = topic.partitions.iter().map(|found| found.partition_index).collect();
        let mut begins = BTreeMap::new();
        if let (Some(member), Some(group)) = (&mut self.member, &self.consume.group) {
            partitions = member.join(client).await?;
            let committed = committed(client, group).await?;
            begins.extend(partitions.iter().filter_map(|partition| {
                Some((*partition, committed.get(&(name.clone(), *partition))?.offset))
            }));
        } else if let Some(only) = self.consume.partition {
            partitions.retain(|partition| *partition == only);
            if partitions.is_empty() {
                return Err(Failure::Wrong(format!("topic {name} has no partition {only}")));
            }
        }
        if partitions.iter().any(|partition| !begins.contains_key(partition)) {
            for (partition, offset) in offsets(client, &name, self.consume.from).await? {
                begins.entry(partition).or_insert(offset);
            }
        }
        let ends =
            if self.consume.until_end { offsets(client, &name, Place::End).await? } else { BTreeMap::new() };
        for partition in partitions {
            let next = begins.get(&partition).copied().unwrap_or(0);
            self.positions.insert(partition, Position { next, end: ends.get(&partition).copied() });
        }
        Ok(())
    }

    /// The next records of the partitions that are not done yet.
    async fn fetch(&mut self, client: &mut Client) -> Result<Vec<(i32, Bytes)>, Failure> {
        if self.positions.values().all(Position::is_done) {
            // A member without a partition, or one that has read all of its own, waits for others.
            sleep(WAIT).await;
            return Ok(Vec::new());
        }
        let fetched = client.retry(async |client| {
            let fetched = self.fetch_once(client).await;
            if fetched.is_err() {
                self.leaders.clear();
            }
            fetched
        });
        match fetched.await {
            Err(failure) if failure.is(ResponseError::OffsetOutOfRange) => {
                self.step_over_what_is_gone(client, failure).await.map(|()| Vec::new())
            }
            fetched => fetched,
        }
    }

    async fn fetch_once(&mut self, client: &mut Client) -> Result<Vec<(i32, Bytes)>, Failure> {
        let name = &self.consume.name[..];
        if self.leaders.is_empty() {
            self.leaders = client.leaders(name).await?;
        }
        let wait = i32::try_from(WAIT.as_millis() / self.leaders.len().max(1) as u128).unwrap_or(0);
        let mut fetched = Vec::new();
        for (leader, partitions) in &self.leaders {
            let wanted: Vec<_> = partitions
                .iter()
                .filter_map(|partition| Some((partition, self.positions.get(partition)?)))
                .filter(|(_, position)| !position.is_done())
                .map(|(partition, position)| {
                    FetchPartition::default()
                        .with_partition(*partition)
                        .with_fetch_offset(position.next)
                        .with_partition_max_bytes(PARTITION_BYTES_MAX)
                })
                .collect();
            if wanted.is_empty() {
                continue;
            }
            let topic = FetchTopic::default().with_topic(topic_name(name)).with_partitions(wanted);
            let request = FetchRequest::default()
                .with_max_wait_ms(wait)
                .with_min_bytes(1)
                .with_max_bytes(BYTES_MAX)
                .with_session_epoch(-1)
                .with_topics(vec![topic]);
            let answer = client.call(Node::Id(*leader), &request).await?;
            check(&format!("topic {name}"), answer.error_code, None)?;
            for partition in answer.responses.into_iter().flat_map(|topic| topic.partitions) {
                check(&format!("{name}-{}", partition.partition_index), partition.error_code, None)?;
                fetched.extend(partition.records.map(|records| (partition.partition_index, records)));
            }
        }
        Ok(fetched)
    }

    /// Records may be deleted before they are read. An offset behind the end, though, is a mistake.
    async fn step_over_what_is_gone(&mut self, client: &mut Client, failure: Failure) -> Result<(), Failure> {
        let name = &self.consume.name[..];
        let (starts, ends) =
            (offsets(client, name, Place::Beginning).await?, offsets(client, name, Place::End).await?);
        let mut stepped = false;
        for (partition, position) in &mut self.positions {
            let (start, end) = (starts.get(partition).copied(), ends.get(partition).copied());
            if let Some(end) = end.filter(|end| position.next > *end) {
                return Err(Failure::Wrong(format!(
                    "{name}-{partition} ends at offset {end}, before {}",
                    position.next
                )));
            }
            if let Some(start) = start.filter(|start| position.next < *start) {
                say(&format!("{name}-{partition}: offsets {} to {} are gone", position.next, start - 1));
                position.next = start;
                stepped = true;
            }
        }
        if stepped { Ok(()) } else { Err(failure) }
    }

    fn print(&mut self, partition: i32, batches: &Bytes, output: &mut Output) -> Result<(), Failure> {
        let Some(mut position) = self.positions.get(&partition).copied() else { return Ok(()) };
        let begun = position.next;
        let walked = walk(batches, |record| {
            if record.offset < position.next {
                return Ok(true);
            }
            if self.left == 0 || position.end.is_some_and(|end| record.offset >= end) {
                return Ok(false);
            }
            self.consume.print(partition, record, output)?;
            self.left -= 1;
            position.next = record.offset + 1;
            Ok(true)
        })?;
        // Behind the last batch, which may end in records that were removed.
        position.next = walked.map_or(position.next, |behind| position.next.max(behind));
        if position.next > begun {
            self.written.insert(partition, position.next);
        }
        self.positions.insert(partition, position);
        Ok(())
    }

    /// Commits what is written, and shows that we live.
    async fn stand(&mut self, client: &mut Client) -> Result<Standing, Failure> {
        let Some(member) = &mut self.member else { return Ok(Standing::Member) };
        if !self.written.is_empty() {
            if member.commit(client, &self.written).await? == Standing::Outdated {
                return Ok(Standing::Outdated);
            }
            self.written.clear();
        }
        member.live(client).await
    }

    /// Commits what is written, and leaves the group.
    async fn end(mut self, client: &mut Client) -> Result<(), Failure> {
        let Some(member) = self.member.take() else { return Ok(()) };
        let written = std::mem::take(&mut self.written);
        let leaving = async {
            let committed =
                if written.is_empty() { Ok(Standing::Member) } else { member.commit(client, &written).await };
            committed.and(member.leave(client).await)
        };
        tokio::time::timeout(LEAVING, leaving).await.unwrap_or_else(|_| {
            Err(Failure::Wrong(String::from(
                "the group did not answer in time; it notices by itself that we are gone",
            )))
        })
    }
}

impl Consume {
    fn print(&self, partition: i32, record: &Incoming<'_>, output: &mut Output) -> Result<(), Failure> {
        match self.format {
            Format::Value => {}
            Format::KeyValue => {
                output.bytes(record.key.unwrap_or_default())?;
                output.bytes(self.key_separator.as_bytes())?;
            }
            Format::Json => return output.json(&self.as_json(partition, record)),
        }
        output.bytes(record.value.unwrap_or_default())?;
        output.bytes(b"\n")
    }

    fn as_json(&self, partition: i32, record: &Incoming<'_>) -> Json {
        let header =
            |(name, value)| Json::Object(vec![Json::bytes("name", Some(name)), Json::bytes("value", value)]);
        Json::Object(vec![
            (String::from("topic"), Json::from(&self.name[..])),
            (String::from("partition"), Json::from(partition)),
            (String::from("offset"), Json::from(record.offset)),
            (String::from("timestamp"), Json::from(record.timestamp)),
            Json::bytes("key", record.key),
            Json::bytes("value", record.value),
            (String::from("headers"), Json::list(record.headers().map(header))),
        ])
    }
}
