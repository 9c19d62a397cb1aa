//! A checkpoint, or a state object: the same format.

use evenkeel_core::{
    port::FileName,
    state::{
        State,
        checkpoint::{self, NotACheckpoint},
    },
    units::{PartitionId, Timestamp},
};

use super::{
    super::{
        sheet::{Cell, Rows, Sheet},
        source::Named,
    },
    Details, newer,
};

/// Describes a state.
pub(super) fn describe(bytes: &[u8], named: Named, details: Details, sheet: &mut Sheet) {
    let (state, lsn) = match checkpoint::decode(bytes) {
        Ok(decoded) => decoded,
        Err(NotACheckpoint::Damaged) => {
            let why = "its checksum does not match, or it says what cannot be; nothing of it counts";
            return sheet.damage.push(String::from(why));
        }
        Err(NotACheckpoint::Newer(version)) => return sheet.damage.push(newer(version)),
    };
    if let Named::File(FileName::Checkpoint(told)) = named
        && told != lsn
    {
        sheet.damage.push(format!("it is the state at LSN {lsn}, its name says {told}"));
    }
    sheet.field("lsn", lsn);
    sheet.field("epoch", state.epoch);
    sheet.field("producer_ids_upto", state.producer_ids_upto.0);
    sheet.field("log_floor", state.log_floor.0);
    sheet.field("topics", state.topics().count());
    sheet.field("partitions", state.partition_count());
    sheet.field("producers", state.partitions().map(|partition| partition.producers.len()).sum::<usize>());
    sheet.field("consumer_groups", state.group_count());
    let link = &state.store;
    sheet.field("lineage", some(link.lineage).map_or(Cell::Nothing, Cell::Hex));
    sheet.field("restored_from_lineage", some(link.from).map_or(Cell::Nothing, Cell::Hex));
    sheet.field("restored_from_manifest", some(link.restored_from));
    sheet.field("stored_manifest", some(link.manifest));
    sheet.field("stored_upto_lsn", some(link.cut.0));
    sheet.field("stored_at", Some(link.cut_at).filter(|at| *at != Timestamp(0)));
    if details.entries {
        sheet.table(partitions(&state));
        sheet.table(members(&state));
        sheet.table(offsets(&state));
    } else {
        sheet.table(topics(&state));
    }
}

fn some(number: u64) -> Option<u64> {
    Some(number).filter(|number| *number > 0)
}

fn topics(state: &State) -> Rows {
    let mut rows = Rows::new("topic_list", &["topic", "id", "partitions", "offsets"]);
    for topic in state.topics() {
        let partitions = topic.partition_ids().filter_map(|id| state.partition(id));
        let offsets: i64 = partitions
            .map(|partition| partition.log_end.0 - partition.log_start.0)
            .fold(0, i64::saturating_add);
        rows.row([
            Cell::from(topic.name()),
            Cell::from(topic.id().to_string()),
            Cell::from(topic.partition_count()),
            Cell::from(offsets),
        ]);
    }
    rows
}

fn partitions(state: &State) -> Rows {
    let columns = ["topic", "partition", "internal", "log_start", "log_end", "epochs", "producers"];
    let mut rows = Rows::new("partition_list", &columns);
    for topic in state.topics() {
        for partition in topic.partition_ids().filter_map(|id| state.partition(id)) {
            let epochs = partition.epochs.iter().map(|known| format!("{}@{}", known.epoch, known.start));
            let epochs: Vec<String> = epochs.collect();
            rows.row([
                Cell::from(topic.name()),
                Cell::from(partition.index),
                Cell::from(partition.id),
                Cell::from(partition.log_start),
                Cell::from(partition.log_end),
                if epochs.is_empty() { Cell::Nothing } else { Cell::from(epochs.join(" ")) },
                Cell::from(partition.producers.len()),
            ]);
        }
    }
    rows
}

fn members(state: &State) -> Rows {
    let mut rows = Rows::new("members", &["group", "generation", "member", "client", "host"]);
    for (id, group) in state.groups() {
        for member in group.members.values() {
            rows.row([
                Cell::from(id),
                Cell::from(group.generation),
                Cell::from(&member.id[..]),
                Cell::from(&member.client_id[..]),
                Cell::from(&member.client_host[..]),
            ]);
        }
    }
    rows
}

fn offsets(state: &State) -> Rows {
    let columns = ["group", "topic", "partition", "committed", "committed_at", "metadata"];
    let mut rows = Rows::new("committed_offsets", &columns);
    for (id, group) in state.groups() {
        for (partition, (at, told)) in &group.offsets {
            let (topic, index) = place(state, *partition);
            rows.row([
                Cell::from(id),
                Cell::from(topic),
                Cell::from(index),
                Cell::from(told.offset),
                Cell::from(*at),
                Cell::from(&told.metadata[..]),
            ]);
        }
    }
    rows
}

/// Topic and number of a partition.
fn place(state: &State, id: PartitionId) -> (Option<&str>, Option<i32>) {
    let partition = state.partition(id);
    let topic = partition.and_then(|partition| state.topic(partition.topic));
    (topic.map(|topic| topic.name()), partition.map(|partition| partition.index))
}
