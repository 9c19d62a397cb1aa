//! `evenkeel group reset-offsets`.

use std::{collections::BTreeMap, time::Duration};

use clap::Args;
use kafka_protocol::ResponseError;

use super::{
    client::{Client, say},
    committed::{NOBODY, commit, committed},
    failure::Failure,
    group::described,
    json::Json,
    offsets::offsets,
    output::{Output, Table, or_dash},
    place::{Place, as_millis, now, time},
};

/// Arguments of `group reset-offsets`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
evenkeel group reset-offsets billing --topic orders --to-earliest              # shows what would change\n  \
evenkeel group reset-offsets billing --topic orders --to-earliest --execute\n  \
evenkeel group reset-offsets billing --topic orders --partition 0 --shift-by=-10 --execute\n  \
evenkeel group reset-offsets billing --topic orders --to-datetime 2026-11-25T20:00:00Z --execute\n  \
evenkeel group reset-offsets billing --topic orders --by-duration 2h --execute\n\n\
An offset before the first record or behind the last is moved to there.")]
pub(super) struct Reset {
    /// Group. It may not have members.
    group: String,
    /// Topic.
    #[arg(long, value_name = "NAME")]
    topic: String,
    /// Only this partition. Default: all.
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    #[command(flatten)]
    to: To,
    /// Do it.
    #[arg(long)]
    execute: bool,
    /// Print JSON: a list of objects with topic, partition, committed, new.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
struct To {
    /// To the oldest record.
    #[arg(long)]
    to_earliest: bool,
    /// Behind the newest record.
    #[arg(long)]
    to_latest: bool,
    /// To this offset.
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    to_offset: Option<i64>,
    /// To the first record that is at least as new: @MILLISECONDS since 1970, or 2026-11-25T20:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    to_datetime: Option<i64>,
    /// To the first record that is at most so old, such as 90m or 2days.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    by_duration: Option<Duration>,
    /// By so many records from what is committed; with a minus, back.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    shift_by: Option<i64>,
}

impl To {
    /// The place; none: relative to what is committed.
    fn place(&self) -> Option<Place> {
        if self.to_earliest {
            return Some(Place::Beginning);
        }
        if self.to_latest {
            return Some(Place::End);
        }
        let back = self.by_duration.map(|back| now().saturating_sub(as_millis(back)).max(0));
        self.to_offset.map(Place::Offset).or(self.to_datetime.or(back).map(Place::Time))
    }
}

impl Reset {
    pub(super) async fn run(&self, client: &mut Client, output: &mut Output) -> Result<(), Failure> {
        let (group, topic) = (&self.group[..], &self.topic[..]);
        match described(client, group).await {
            Ok((found, _)) if !found.members.is_empty() => {
                return Err(Failure::Wrong(format!(
                    "group {group} has {} members and is {}: its consumers must stop first",
                    found.members.len(),
                    found.group_state
                )));
            }
            Ok(_) => {}
            // It begins with what is committed now.
            Err(failure) if failure.is(ResponseError::GroupIdNotFound) => {}
            Err(failure) => return Err(failure),
        }
        let starts = offsets(client, topic, Place::Beginning).await?;
        let ends = offsets(client, topic, Place::End).await?;
        let mut current: BTreeMap<i32, i64> = BTreeMap::new();
        for ((name, partition), committed) in committed(client, group).await? {
            if name == topic {
                current.insert(partition, committed.offset);
            }
        }
        let mut wanted = match self.to.place() {
            Some(place) => offsets(client, topic, place).await?,
            None => {
                let by = self.to.shift_by.unwrap_or(0);
                current.iter().map(|(partition, offset)| (*partition, offset.saturating_add(by))).collect()
            }
        };
        wanted.retain(|partition, _| self.partition.is_none_or(|only| only == *partition));
        if wanted.is_empty() {
            return Err(Failure::Wrong(match self.partition {
                Some(partition) if !ends.contains_key(&partition) => {
                    format!("topic {topic} has no partition {partition}")
                }
                Some(_) | None => format!("group {group} has committed nothing there to shift"),
            }));
        }
        for (partition, offset) in &mut wanted {
            let (start, end) = (starts.get(partition).copied(), ends.get(partition).copied());
            *offset = within(*offset, start.unwrap_or(0), end.unwrap_or(i64::MAX));
        }
        if self.execute {
            commit(client, group, NOBODY, topic, &wanted).await?;
        }
        self.print(&current, &wanted, output)?;
        output.flush()?;
        if !self.execute {
            say("nothing was changed: --execute does it");
        }
        Ok(())
    }

    fn print(
        &self,
        current: &BTreeMap<i32, i64>,
        wanted: &BTreeMap<i32, i64>,
        output: &mut Output,
    ) -> Result<(), Failure> {
        if self.json {
            let line = |(partition, offset): (&i32, &i64)| {
                Json::object([
                    ("topic", Json::from(&self.topic[..])),
                    ("partition", Json::from(*partition)),
                    ("committed", Json::from(current.get(partition).copied())),
                    ("new", Json::from(*offset)),
                ])
            };
            return output.json(&Json::list(wanted.iter().map(line)));
        }
        let mut table = Table::new(&["TOPIC", "PARTITION", "COMMITTED", "NEW"]);
        for (partition, offset) in wanted {
            table.row(vec![
                self.topic.clone(),
                partition.to_string(),
                or_dash(current.get(partition).copied()),
                offset.to_string(),
            ]);
        }
        table.print(output)
    }
}

fn within(offset: i64, start: i64, end: i64) -> i64 {
    offset.min(end).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_stays_within_what_is_there() {
        for (offset, expected) in [(4, 5), (5, 5), (7, 7), (9, 9), (10, 9), (i64::MIN, 5), (i64::MAX, 9)] {
            assert_eq!(within(offset, 5, 9), expected);
        }
    }
}
