//! Everyday administration: what is asked for is done, lasts over a crash, and what cannot be is refused by its code.

mod configs;
mod full;
pub(crate) mod partitions;
pub(crate) mod records;
mod replicas;

use evenkeel_core::port::{AdminRequest, AdminResponse, Request, Response};
use kafka_protocol::{messages::TopicName, protocol::StrBytes};

use crate::rig::Rig;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

fn ask(rig: &mut Rig, version: i16, request: AdminRequest) -> AdminResponse {
    match rig.ask(version, Request::Admin(request)) {
        Response::Admin(response) => response,
        other => panic!("{other:?}"),
    }
}
