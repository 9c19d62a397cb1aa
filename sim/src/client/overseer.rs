//! An operator of groups: looks at them, and deletes them and their offsets, which must be refused while they are in use.

use evenkeel_core::port::{GroupRequest, Request};
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, GroupId, ListGroupsRequest, OffsetDeleteRequest,
    offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
};

use crate::{
    client::{Desk, Outgoing, text, topic_name},
    dice::Dice,
    ledger::{Asked, GroupAsked, OffsetPlace},
};

/// An operator of groups.
#[derive(Clone, Debug, Default)]
pub(super) struct Overseer {
    waits: bool,
}

impl Overseer {
    pub(super) fn act(&mut self, desk: &mut Desk<'_>, dice: &mut Dice, outbox: &mut Vec<Outgoing>) {
        // It has time.
        if self.waits || *desk.operations_left == 0 || !dice.chance(300) {
            return;
        }
        let groups: Vec<&String> = desk.ledger.groups.keys().collect();
        if groups.is_empty() {
            return;
        }
        let group = groups[dice.index(groups.len())].clone();
        let id = GroupId(text(&group));
        let (request, version, asked) = match dice.below(8) {
            0..=2 => {
                let request = DescribeGroupsRequest::default().with_groups(vec![id]);
                (GroupRequest::Describe(request), 5, GroupAsked::Describe(group))
            }
            3 => (GroupRequest::List(ListGroupsRequest::default()), 4, GroupAsked::List),
            4..=5 => {
                let request = DeleteGroupsRequest::default().with_groups_names(vec![id]);
                (GroupRequest::Delete(request), 2, GroupAsked::Delete(group))
            }
            _ => {
                let places: Vec<OffsetPlace> =
                    desk.ledger.offsets.places().filter(|place| place.group == group).cloned().collect();
                if places.is_empty() {
                    return;
                }
                let place = places[dice.index(places.len())].clone();
                let partition = OffsetDeleteRequestPartition::default().with_partition_index(place.index);
                let topic = OffsetDeleteRequestTopic::default()
                    .with_name(topic_name(&place.topic))
                    .with_partitions(vec![partition]);
                let request = OffsetDeleteRequest::default().with_group_id(id).with_topics(vec![topic]);
                (GroupRequest::OffsetDelete(request), 0, GroupAsked::Forget(vec![place]))
            }
        };
        self.waits = true;
        outbox.push(Outgoing {
            version,
            request: Request::Group(request),
            asked: Asked::Group(asked),
            silent: false,
        });
    }

    pub(super) fn hear(&mut self) {
        self.waits = false;
    }
}
