//! A consumer: follows partitions from their start, sometimes goes back, sometimes asks where the end is.

use std::collections::BTreeMap;

use evenkeel_core::port::{Request, Response};
use kafka_protocol::{
    messages::{
        ListOffsetsRequest, TopicName,
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    },
    protocol::StrBytes,
};

use crate::{
    batch,
    client::{Desk, Outgoing},
    dice::Dice,
    ledger::{Asked, PartitionKey},
    probe,
};

/// A consumer.
#[derive(Clone, Debug, Default)]
pub(super) struct Consumer {
    positions: BTreeMap<PartitionKey, i64>,
    waits: bool,
}

impl Consumer {
    pub(super) fn act(&mut self, desk: &mut Desk<'_>, dice: &mut Dice, outbox: &mut Vec<Outgoing>) {
        if self.waits || *desk.operations_left == 0 {
            return;
        }
        let usable: Vec<(PartitionKey, String)> =
            desk.ledger.usable().map(|(key, topic)| (key, topic.name.clone())).collect();
        if usable.is_empty() {
            return;
        }
        let (key, name) = &usable[dice.index(usable.len())];
        let known = desk.ledger.high_watermark(*key);
        self.waits = true;
        if name.starts_with("lasting") && dice.chance(100) {
            let partition = ListOffsetsPartition::default()
                .with_partition_index(key.index)
                .with_current_leader_epoch(-1)
                .with_timestamp(-1);
            let topic = ListOffsetsTopic::default()
                .with_name(TopicName(StrBytes::from_string(name.clone())))
                .with_partitions(vec![partition]);
            outbox.push(Outgoing {
                version: 7,
                request: Request::ListOffsets(ListOffsetsRequest::default().with_topics(vec![topic])),
                asked: Asked::End(*key, known),
                silent: false,
            });
            return;
        }
        let position = self.positions.get(key).copied().unwrap_or(0);
        let from = if dice.chance(200) {
            i64::try_from(dice.below(position.cast_unsigned() + 1)).expect("below a position")
        } else {
            position
        };
        let bytes = |dice: &mut Dice| i32::try_from(dice.magnitude(1, 1 << 17)).expect("small");
        let (max_bytes, partition_max_bytes) = (bytes(dice), bytes(dice));
        let max_wait_ms = i32::try_from(dice.magnitude(1, 300)).expect("small") - 1;
        let min_bytes =
            if dice.chance(500) { 1 } else { i32::try_from(dice.magnitude(1, 20_000)).expect("small") };
        let request = probe::fetch(*key, from, max_bytes, partition_max_bytes, max_wait_ms, min_bytes);
        outbox.push(Outgoing {
            version: 13,
            request: Request::Fetch(request),
            asked: Asked::Fetch(*key, from, known),
            silent: false,
        });
    }

    pub(super) fn hear(&mut self, asked: &Asked, response: &Response) {
        self.waits = false;
        if let (Asked::Fetch(key, ..), Response::Fetch(answer)) = (asked, response)
            && let Some(part) = answer.topics.first().and_then(|topic| topic.partitions.first())
            && let Some((last, _)) = batch::split(&part.records.concat()).as_deref().and_then(<[_]>::last)
        {
            self.positions.insert(*key, last.last_offset().0 + 1);
        }
    }

    pub(super) fn lost(&mut self) {
        self.waits = false;
    }
}
