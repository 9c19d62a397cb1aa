//! DescribeGroups, ListGroups, DeleteGroups.

use alloc::vec::Vec;

use bytes::Bytes;
use kafka_protocol::{
    messages::{
        DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, GroupId,
        ListGroupsRequest, ListGroupsResponse,
        delete_groups_response::DeletableGroupResult,
        describe_groups_response::{DescribedGroup, DescribedGroupMember},
        list_groups_response::ListedGroup,
    },
    protocol::StrBytes,
};

use crate::{
    broker::{Asker, Live, text},
    error_code,
    log::entry::GroupEntry,
    marks::{Mark, mark},
    planted::{Planted, planted},
    port::{GroupResponse, Response},
    state::group::Group,
    turn::Turn,
    units::Lsn,
};

/// Read, delete, describe, as Kafka encodes them.
const GROUP_OPERATIONS: i32 = 0b1_0100_1000;
const OPERATIONS_NOT_ASKED: i32 = i32::MIN;

impl Live {
    /// Kafka's name of the state.
    fn group_state(&self, id: &str, group: &Group) -> &'static str {
        if self.in_rebalance(id) {
            "PreparingRebalance"
        } else if group.members.is_empty() {
            "Empty"
        } else if group.assigned {
            "Stable"
        } else {
            "CompletingRebalance"
        }
    }

    pub(super) fn describe_groups(
        &mut self,
        asker: Asker,
        request: DescribeGroupsRequest,
        turn: &mut Turn<'_>,
    ) {
        let mut newest = self.state.groups_known;
        let mut groups = Vec::new();
        for id in request.groups {
            let operations =
                if request.include_authorized_operations { GROUP_OPERATIONS } else { OPERATIONS_NOT_ASKED };
            let told = DescribedGroup::default().with_authorized_operations(operations);
            groups.push(
                match self.state.group(&id) {
                    None if asker.version >= 6 => told
                        .with_error_code(error_code::GROUP_ID_NOT_FOUND)
                        .with_error_message(Some(StrBytes::from_string(alloc::format!(
                            "group {} is not there",
                            id.as_str()
                        ))))
                        .with_group_state(StrBytes::from_static_str("Dead")),
                    None => told.with_group_state(StrBytes::from_static_str("Dead")),
                    Some(group) => {
                        newest = newest.max(group.known);
                        let settled = group.assigned && !self.in_rebalance(&id);
                        let members = group.members.values().map(|member| {
                            let told = DescribedGroupMember::default()
                                .with_member_id(text(&member.id))
                                .with_client_id(text(&member.client_id))
                                .with_client_host(text(&member.client_host))
                                .with_member_metadata(Bytes::copy_from_slice(&member.metadata))
                                .with_member_assignment(if settled {
                                    Bytes::copy_from_slice(&member.assignment)
                                } else {
                                    Bytes::new()
                                });
                            if asker.version >= 4 {
                                told.with_group_instance_id(member.instance.as_deref().map(text))
                            } else {
                                told
                            }
                        });
                        told.with_group_state(StrBytes::from_static_str(self.group_state(&id, group)))
                            .with_protocol_type(text(&group.protocol_type))
                            .with_protocol_data(if settled {
                                text(&group.protocol)
                            } else {
                                StrBytes::default()
                            })
                            .with_members(members.collect())
                    }
                }
                .with_group_id(id),
            );
        }
        let response = DescribeGroupsResponse::default().with_groups(groups);
        self.answer(asker, Response::Group(GroupResponse::Describe(response)), newest, turn);
    }

    pub(super) fn list_groups(&mut self, asker: Asker, request: &ListGroupsRequest, turn: &mut Turn<'_>) {
        let named = |filter: &[StrBytes], name: &str| {
            filter.is_empty() || filter.iter().any(|asked| asked.eq_ignore_ascii_case(name))
        };
        let mut newest = self.state.groups_known;
        let mut groups = Vec::new();
        for (id, group) in self.state.groups() {
            let state = self.group_state(id, group);
            newest = newest.max(group.known);
            if named(&request.states_filter, state) && named(&request.types_filter, "classic") {
                let mut told = ListedGroup::default()
                    .with_group_id(GroupId(text(id)))
                    .with_protocol_type(text(&group.protocol_type));
                if asker.version >= 4 {
                    told = told.with_group_state(StrBytes::from_static_str(state));
                }
                if asker.version >= 5 {
                    told = told.with_group_type(StrBytes::from_static_str("classic"));
                }
                groups.push(told);
            }
        }
        let response = ListGroupsResponse::default().with_groups(groups);
        self.answer(asker, Response::Group(GroupResponse::List(response)), newest, turn);
    }

    pub(super) fn delete_groups(&mut self, asker: Asker, request: DeleteGroupsRequest, turn: &mut Turn<'_>) {
        let mut results = Vec::new();
        for id in request.groups_names {
            let error_code = match self.state.group(&id) {
                None => error_code::GROUP_ID_NOT_FOUND,
                Some(group) if !group.members.is_empty() || self.in_rebalance(&id) => {
                    error_code::NON_EMPTY_GROUP
                }
                Some(_) if !self.accepts() => error_code::COORDINATOR_LOAD_IN_PROGRESS,
                Some(_) => {
                    mark(Mark::GroupDeleted);
                    self.change(&id, GroupEntry::Deleted);
                    error_code::NONE
                }
            };
            results.push(DeletableGroupResult::default().with_group_id(id).with_error_code(error_code));
        }
        let response = DeleteGroupsResponse::default().with_results(results);
        let early = planted(Planted::GroupDeletionToldBeforeDurable);
        let known = if early { Lsn(0) } else { self.state.groups_known };
        self.answer(asker, Response::Group(GroupResponse::Delete(response)), known, turn);
    }
}
