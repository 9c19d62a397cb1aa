//! The records of the log, each in a word and in a line.

use evenkeel_core::log::entry::{Entry, GroupEntry};

use super::sheet::rfc3339;

/// The kinds, as the log's layout table names them.
pub(super) fn kind(entry: &Entry) -> &'static str {
    match entry {
        Entry::Append(_) => "append",
        Entry::Started { .. } => "started",
        Entry::TopicCreated(_) => "topic created",
        Entry::TopicDeleted { .. } => "topic deleted",
        Entry::ProducerIdsReserved { .. } => "producer ids reserved",
        Entry::ProducersExpired { .. } => "producers expired",
        Entry::Trimmed { .. } => "trimmed",
        Entry::PartitionsAdded { .. } => "partitions added",
        Entry::ConfigsChanged { .. } => "configs changed",
        Entry::RecordsDeleted { .. } => "records deleted",
        Entry::LineageBegun { .. } => "lineage begun",
        Entry::CutStored { .. } => "cut stored",
        Entry::Group(_) => "group changed",
    }
}

/// What it says.
pub(super) fn words(entry: &Entry) -> String {
    match entry {
        Entry::Append(append) => format!(
            "partition {}, offsets {} to {}, {} records",
            append.partition,
            append.header.base_offset,
            append.header.last_offset(),
            append.header.record_count
        ),
        Entry::Started { epoch, at, skip_offsets: 0 } => format!("epoch {epoch} at {}", rfc3339(*at)),
        Entry::Started { epoch, at, skip_offsets } => {
            format!("epoch {epoch} at {}, {skip_offsets} offsets skipped", rfc3339(*at))
        }
        Entry::TopicCreated(topic) => format!(
            "{} ({}), {} partitions from {}{}",
            topic.name,
            topic.id,
            topic.partitions,
            topic.first_partition,
            topic.configs.iter().map(|(name, value)| format!(", {name}={value}")).collect::<String>()
        ),
        Entry::TopicDeleted { id } => id.to_string(),
        Entry::ProducerIdsReserved { upto } => format!("below {upto}"),
        Entry::ProducersExpired { before } => format!("idle since {}", rfc3339(*before)),
        Entry::Trimmed { floor } => format!("segments in front of {floor}"),
        Entry::PartitionsAdded { topic, first_partition, partitions } => {
            format!("{topic}, {partitions} partitions from {first_partition}")
        }
        Entry::ConfigsChanged { topic, configs } => {
            let changes = configs.iter().map(|(name, value)| match value {
                Some(value) => format!(", {name}={value}"),
                None => format!(", {name} no more"),
            });
            format!("{topic}{}", changes.collect::<String>())
        }
        Entry::RecordsDeleted { partition, log_start } => {
            format!("partition {partition}, in front of offset {log_start}")
        }
        Entry::LineageBegun { lineage, from: 0, manifest: _, at } => {
            format!("{lineage:x} at {}, from nothing", rfc3339(*at))
        }
        Entry::LineageBegun { lineage, from, manifest, at } => {
            format!("{lineage:x} at {}, from {from:x}, manifest {manifest}", rfc3339(*at))
        }
        Entry::CutStored { manifest, cut, at } => {
            format!("LSN {cut} of {}, manifest {manifest}", rfc3339(*at))
        }
        Entry::Group(change) => format!("{}: {}", change.group, group(&change.what)),
    }
}

fn group(what: &GroupEntry) -> String {
    match what {
        GroupEntry::Member { generation, member } => format!("generation {generation}, member {}", member.id),
        GroupEntry::Generation { generation, at, protocol_type: _, protocol, leader: _ } => {
            format!("generation {generation} begins at {}, {protocol:?}", rfc3339(*at))
        }
        GroupEntry::Assignment { generation, member, assignment } => {
            format!("generation {generation}, {} bytes assigned to {member}", assignment.len())
        }
        GroupEntry::Assigned { generation } => format!("generation {generation} is assigned"),
        GroupEntry::Removed { member, at } => format!("{member} removed at {}", rfc3339(*at)),
        GroupEntry::Replaced { old, new } => format!("{old} is {} now", new.id),
        GroupEntry::Committed { at, offsets } => {
            let each =
                offsets.iter().map(|(partition, told)| format!(", partition {partition} at {}", told.offset));
            format!("committed at {}{}", rfc3339(*at), each.collect::<String>())
        }
        GroupEntry::Forgotten { partitions } => {
            let each: Vec<String> = partitions.iter().map(ToString::to_string).collect();
            format!("offsets forgotten of partitions {}", each.join(", "))
        }
        GroupEntry::Deleted => String::from("deleted"),
    }
}
