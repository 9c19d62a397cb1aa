//! `evenkeel topic produce`: lines become records, and each is confirmed before more are read. One batch is on its way at a
//! time, with a sequence number: one that is sent again after a broken connection is not stored twice.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Stdin, stdin},
};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use evenkeel_core::{limits::MESSAGE_BYTES_MAX, units::Timestamp};
use kafka_protocol::{
    ResponseError,
    messages::{
        InitProducerIdRequest, ProduceRequest,
        produce_request::{PartitionProduceData, TopicProduceData},
    },
};

use super::{
    batch::{Outgoing, Producer, RECORD_OVERHEAD_BYTES, encode, partition_of},
    client::{Client, Node, topic_name},
    failure::{Failure, check, reason},
    output::Output,
    pair,
    place::now,
};

/// Bytes of lines that go out at once, if so many are there already. A broker that syncs takes longer for the sync.
const CHUNK_BYTES: usize = 256 << 10;

/// Arguments of `topic produce`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
seq 1 100 | evenkeel topic produce numbers\n  \
printf 'k1:one\\nk2:two\\n' | evenkeel topic produce orders --key-separator :\n  \
tail -f app.log | evenkeel topic produce logs --header host=web-1\n\n\
Each line, without its end, is a record, sent as soon as it is there. A line feed ends it; every other byte is taken as it is. \
Exit code 0 means that every line was confirmed; otherwise the message says how many were.")]
pub(super) struct Produce {
    /// Topic.
    name: String,
    /// What divides key and value in a line. A line without it has no key. Default: no keys.
    #[arg(long, short = 'k', value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    key_separator: Option<String>,
    /// Partition of all records. Default: the same key always goes to the same partition; without keys, by turns.
    #[arg(long, short, value_name = "P", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// A header of each record; may be given several times.
    #[arg(long, short = 'H', value_name = "NAME=VALUE", value_parser = pair)]
    header: Vec<(String, String)>,
    /// Who must have a record before it counts as confirmed. With `leader` one may be stored twice after a broken connection.
    #[arg(long, value_enum, default_value_t = Acks::All)]
    acks: Acks,
}

/// Who must have a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Acks {
    All,
    Leader,
}

/// One producer at work.
struct Sender {
    produce: Produce,
    producer: Option<Producer>,
    partitions: i32,
    /// Next sequence number of each partition.
    sequences: BTreeMap<i32, i32>,
    /// The partition whose turn it is.
    turn: i32,
    confirmed: u64,
}

/// Batches that are not confirmed yet, with the number of their records.
type Pending = BTreeMap<i32, (Bytes, i32)>;

impl Produce {
    pub(super) async fn run(self, client: &mut Client, output: &mut Output) -> Result<(), Failure> {
        let topic = client.retry(async |client| client.topic(&self.name).await).await?;
        let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
        if let Some(partition) = self.partition.filter(|partition| *partition >= partitions) {
            return Err(Failure::Wrong(format!("topic {} has no partition {partition}", self.name)));
        }
        let producer = match self.acks {
            Acks::All => Some(producer(client).await?),
            Acks::Leader => None,
        };
        let sequences = BTreeMap::new();
        let mut sender = Sender { produce: self, producer, partitions, sequences, turn: 0, confirmed: 0 };
        let mut input = BufReader::with_capacity(CHUNK_BYTES, stdin());
        let mut sent = Ok(true);
        while matches!(sent, Ok(true)) {
            sent = sender.some(client, &mut input).await;
        }
        match sent {
            Ok(_) if sender.confirmed == 1 => output.line("confirmed 1 line"),
            Ok(_) => output.line(&format!("confirmed {} lines", sender.confirmed)),
            Err(failure) => Failure::of_all(vec![
                failure,
                Failure::Wrong(format!(
                    "confirmed {} lines; nothing is known of those behind them",
                    sender.confirmed
                )),
            ]),
        }
    }
}

async fn producer(client: &mut Client) -> Result<Producer, Failure> {
    let request =
        InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(60_000);
    let answer = client.retry(async |client| {
        let answer = client.call(Node::Any, &request).await?;
        check("InitProducerId", answer.error_code, None).map(|()| answer)
    });
    answer.await.map(|answer| Producer { id: answer.producer_id.0, epoch: answer.producer_epoch })
}

impl Sender {
    /// Sends the next lines; false: there are none.
    async fn some(&mut self, client: &mut Client, input: &mut BufReader<Stdin>) -> Result<bool, Failure> {
        let overhead = RECORD_OVERHEAD_BYTES
            + self.produce.header.iter().map(|(name, value)| name.len() + value.len() + 10).sum::<usize>();
        let lines = lines(input, overhead)?;
        if lines.is_empty() {
            return Ok(false);
        }
        let mut records: BTreeMap<i32, Vec<Outgoing>> = BTreeMap::new();
        self.turn = (self.turn + 1) % self.partitions;
        for line in lines {
            let record = split(line, self.produce.key_separator.as_deref());
            let partition = match (self.produce.partition, &record.key) {
                (Some(partition), _) => partition,
                (None, Some(key)) => partition_of(key, self.partitions),
                (None, None) => self.turn,
            };
            records.entry(partition).or_default().push(record);
        }
        let now = Timestamp(now());
        let mut pending = Pending::new();
        for (partition, records) in records {
            let count = i32::try_from(records.len()).expect("a chunk is bounded by its bytes");
            let sequence = self.sequences.entry(partition).or_default();
            let producer = self.producer.map(|producer| (producer, *sequence));
            pending.insert(partition, (encode(&records, &self.produce.header, producer, now), count));
            *sequence = sequence.wrapping_add(count) & i32::MAX; // Behind the largest comes 0.
        }
        self.send(client, pending).await.map(|()| true)
    }

    async fn send(&mut self, client: &mut Client, mut pending: Pending) -> Result<(), Failure> {
        let acks = match self.produce.acks {
            Acks::All => -1,
            Acks::Leader => 1,
        };
        let name = &self.produce.name[..];
        let mut confirmed = 0;
        let sent = client.retry(async |client| {
            for (leader, partitions) in client.leaders(name).await? {
                let data: Vec<_> = partitions
                    .iter()
                    .filter_map(|partition| Some((partition, pending.get(partition)?)))
                    .map(|(partition, (batch, _))| {
                        PartitionProduceData::default()
                            .with_index(*partition)
                            .with_records(Some(batch.clone()))
                    })
                    .collect();
                if data.is_empty() {
                    continue;
                }
                let topic = TopicProduceData::default().with_name(topic_name(name)).with_partition_data(data);
                let request = ProduceRequest::default()
                    .with_acks(acks)
                    .with_timeout_ms(client.timeout_ms())
                    .with_topic_data(vec![topic]);
                let answer = client.call(Node::Id(leader), &request).await?;
                let mut refused = Ok(());
                for partition in answer.responses.iter().flat_map(|topic| &topic.partition_responses) {
                    let index = partition.index;
                    let message = partition.error_message.as_ref();
                    match check(&format!("{name}-{index}"), partition.error_code, message) {
                        Err(failure) if !failure.is(ResponseError::DuplicateSequenceNumber) => {
                            refused = Err(failure);
                        }
                        Ok(()) | Err(_) => {
                            confirmed += pending
                                .remove(&index)
                                .map_or(0, |(_, count)| u64::from(count.unsigned_abs()));
                        }
                    }
                }
                refused?;
            }
            if pending.is_empty() {
                return Ok(());
            }
            Err(Failure::Wrong(format!("topic {name} has fewer partitions than before")))
        });
        let sent = sent.await;
        self.confirmed += confirmed;
        sent
    }
}

/// Waits for one line, and takes with it what is there already. Empty: the input has ended.
fn lines(input: &mut BufReader<Stdin>, overhead: usize) -> Result<Vec<Vec<u8>>, Failure> {
    let (mut lines, mut bytes) = (Vec::new(), 0);
    loop {
        let mut line = Vec::new();
        let most = u64::from(MESSAGE_BYTES_MAX);
        let read = input.by_ref().take(most).read_until(b'\n', &mut line);
        let read =
            read.map_err(|error| Failure::Wrong(format!("cannot read the input: {}", reason(&error))))?;
        if read == 0 {
            return Ok(lines);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() as u64 == most {
            return Err(Failure::Wrong(format!("a line has more than {most} bytes")));
        }
        bytes += line.len() + overhead;
        lines.push(line);
        if bytes >= CHUNK_BYTES || !input.buffer().contains(&b'\n') {
            return Ok(lines);
        }
    }
}

fn split(line: Vec<u8>, separator: Option<&str>) -> Outgoing {
    let found = separator.map(str::as_bytes).and_then(|separator| {
        let at = line.windows(separator.len()).position(|window| window == separator)?;
        Some((at, at + separator.len()))
    });
    match found {
        Some((key, value)) => Outgoing { key: Some(line[..key].to_vec()), value: line[value..].to_vec() },
        None => Outgoing { key: None, value: line },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_divided_at_the_first_separator() {
        let of = |line: &str, separator| {
            let record = split(line.as_bytes().to_vec(), separator);
            let text = |bytes| String::from_utf8(bytes).expect("text");
            (record.key.map(text), text(record.value))
        };
        assert_eq!(of("a:b:c", Some(":")), (Some("a".into()), "b:c".into()));
        assert_eq!(of("a=>b", Some("=>")), (Some("a".into()), "b".into()));
        assert_eq!(of(":b", Some(":")), (Some(String::new()), "b".into()));
        assert_eq!(of("b", Some(":")), (None, "b".into()));
        assert_eq!(of("", Some("::")), (None, String::new()));
        assert_eq!(of("a:b", None), (None, "a:b".into()));
    }
}
