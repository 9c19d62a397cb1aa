//! DescribeConfigs, AlterConfigs, IncrementalAlterConfigs.

use std::collections::BTreeMap;

use evenkeel_core::{
    log::group::GroupHeader,
    port::{AdminRequest, AdminResponse, Request},
    state::configs::TOPIC_CONFIGS,
};
use kafka_protocol::messages::{
    AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest, alter_configs_request,
    describe_configs_request::DescribeConfigsResource,
    describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult},
    incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
};

use super::{ask, text};
use crate::{
    image::last_data_group,
    rig::{Rig, batch, small},
};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

fn describe(rig: &mut Rig, kind: i8, name: &str, keys: Option<&[&str]>) -> DescribeConfigsResult {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(keys.map(|keys| keys.iter().map(|key| text(key)).collect()));
    let request = DescribeConfigsRequest::default()
        .with_resources(vec![resource])
        .with_include_synonyms(true)
        .with_include_documentation(true);
    match ask(rig, 4, AdminRequest::DescribeConfigs(request)) {
        AdminResponse::DescribeConfigs(mut response) => response.results.remove(0),
        other => panic!("{other:?}"),
    }
}

fn topic_config(rig: &mut Rig, name: &str) -> DescribeConfigsResourceResult {
    describe(rig, TOPIC, "t", Some(&[name])).configs.remove(0)
}

fn value(rig: &mut Rig, name: &str) -> (String, i8) {
    let told = topic_config(rig, name);
    (told.value.map(|value| value.to_string()).unwrap_or_default(), told.config_source)
}

type Change<'a> = (&'a str, i8, Option<&'a str>);

fn resource(kind: i8, name: &str, changes: &[Change<'_>]) -> AlterConfigsResource {
    let configs = changes.iter().map(|(name, operation, value)| {
        AlterableConfig::default()
            .with_name(text(name))
            .with_config_operation(*operation)
            .with_value(value.map(text))
    });
    AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(configs.collect())
}

fn alter_each(
    rig: &mut Rig,
    validate_only: bool,
    resources: Vec<AlterConfigsResource>,
) -> Vec<(i16, String)> {
    let request =
        IncrementalAlterConfigsRequest::default().with_resources(resources).with_validate_only(validate_only);
    match ask(rig, 1, AdminRequest::IncrementalAlterConfigs(request)) {
        AdminResponse::IncrementalAlterConfigs(response) => {
            let told = response.responses.into_iter();
            let message =
                |told: Option<kafka_protocol::protocol::StrBytes>| told.map(|told| told.to_string());
            told.map(|told| (told.error_code, message(told.error_message).unwrap_or_default())).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn alter(rig: &mut Rig, changes: &[Change<'_>]) -> (i16, String) {
    alter_each(rig, false, vec![resource(TOPIC, "t", changes)]).remove(0)
}

fn replace(rig: &mut Rig, configs: &[(&str, Option<&str>)]) -> i16 {
    let configs = configs.iter().map(|(name, value)| {
        alter_configs_request::AlterableConfig::default().with_name(text(name)).with_value(value.map(text))
    });
    let resource = alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text("t"))
        .with_configs(configs.collect());
    let request = AlterConfigsRequest::default().with_resources(vec![resource]);
    match ask(rig, 2, AdminRequest::AlterConfigs(request)) {
        AdminResponse::AlterConfigs(response) => response.responses[0].error_code,
        other => panic!("{other:?}"),
    }
}

fn rig() -> Rig {
    let mut rig = Rig::new(small());
    rig.create("t", 1, &[("flush.ms", "1000")]);
    rig
}

#[test]
fn every_config_is_told_with_its_default_its_source_and_its_synonyms() {
    let mut rig = rig();
    let told = describe(&mut rig, TOPIC, "t", None);
    assert_eq!(told.error_code, 0);
    let names: Vec<&str> = told.configs.iter().map(|config| config.name.as_str()).collect();
    let known: Vec<&str> = TOPIC_CONFIGS.iter().map(|key| key.name).collect();
    assert_eq!(names, known);
    for config in &told.configs {
        assert!(!config.read_only && !config.is_sensitive && config.documentation.is_some(), "{config:?}");
        assert!(!config.synonyms.is_empty() && config.config_type > 0, "{config:?}");
        assert_eq!(config.config_source == 1, config.name.as_str() == "flush.ms");
    }
    let flush = topic_config(&mut rig, "flush.ms");
    let synonyms: Vec<_> = flush.synonyms.iter().map(|one| (one.name.as_str(), one.source)).collect();
    assert_eq!(synonyms, [("flush.ms", 1), ("log.flush.interval.ms", 5)]);
    // A default that the operator has changed comes from there.
    assert_eq!(value(&mut rig, "max.message.bytes"), (String::from("20000"), 4));
    assert_eq!(describe(&mut rig, TOPIC, "none", None).error_code, 3);
    assert_eq!(describe(&mut rig, TOPIC, "a b", None).error_code, 17);
    assert_eq!(describe(&mut rig, 99, "t", None).error_code, 42);
    assert_eq!(describe(&mut rig, TOPIC, "t", Some(&["no.such"])).configs, []);
}

#[test]
fn the_brokers_settings_are_told_and_cannot_be_changed_from_outside() {
    let mut rig = rig();
    let us = rig.config.node_id.to_string();
    let told = describe(&mut rig, BROKER, &us, None);
    let of: BTreeMap<&str, &str> = told
        .configs
        .iter()
        .map(|config| (config.name.as_str(), config.value.as_ref().map_or("", |value| value.as_str())))
        .collect();
    assert_eq!((told.error_code, of["message.max.bytes"], of["node.id"]), (0, "20000", us.as_str()));
    assert!(told.configs.iter().all(|config| config.read_only && !config.synonyms.is_empty()));
    for key in &TOPIC_CONFIGS {
        assert!(of.contains_key(key.broker_name), "what topics have by default: {}", key.broker_name);
    }
    assert!(told.configs.is_sorted_by(|one, next| one.name < next.name), "each once");
    assert_eq!(describe(&mut rig, BROKER, "77", None).error_code, 42);
    let change = [("message.max.bytes", SET, Some("1"))];
    for (name, says) in
        [(us.as_str(), "on its command line"), ("", "on its command line"), ("77", "or empty string")]
    {
        let told = alter_each(&mut rig, false, vec![resource(BROKER, name, &change)]).remove(0);
        assert!(told.0 == 42 && told.1.contains(says), "{name:?}: {}", told.1);
    }
    assert!(
        told.configs.iter().all(|config| config.documentation.as_ref().is_some_and(|text| !text.is_empty()))
    );
}

#[test]
fn a_config_that_is_set_is_in_force_and_lasts_and_so_does_its_deletion() {
    let mut rig = rig();
    assert_eq!(rig.produce("t", 0, batch(1, 5000, b'a', 1)), (0, 0));
    assert_eq!(alter(&mut rig, &[("max.message.bytes", SET, Some("1000")), ("flush.ms", DELETE, None)]).0, 0);
    for crashed in [false, true, true] {
        rig = if crashed { rig.crash() } else { rig };
        assert_eq!(value(&mut rig, "max.message.bytes"), (String::from("1000"), 1));
        assert_eq!(value(&mut rig, "flush.ms").1, 5, "its deletion lasts");
        assert_eq!(rig.produce("t", 0, batch(1, 5000, b'b', 1)).0, 10);
    }
    assert_eq!(alter(&mut rig, &[("max.message.bytes", DELETE, None)]).0, 0);
    for stopped in [false, true] {
        rig = if stopped { rig.stop().crash() } else { rig.crash() };
        assert_eq!(value(&mut rig, "max.message.bytes").1, 4);
        assert_eq!(rig.produce("t", 0, batch(1, 5000, b'c', 1)).0, 0);
    }
}

#[test]
fn all_configs_of_a_topic_are_replaced_at_once() {
    let mut rig = rig();
    assert_eq!(replace(&mut rig, &[("segment.ms", Some("5")), ("preallocate", Some("true"))]), 0);
    let mut rig = rig.crash();
    assert_eq!(value(&mut rig, "flush.ms").1, 5, "it is not named");
    assert_eq!(value(&mut rig, "segment.ms"), (String::from("5"), 1));
    assert_eq!(replace(&mut rig, &[("segment.ms", Some("6")), ("min.insync.replicas", Some("2"))]), 40);
    assert_eq!(replace(&mut rig, &[("segment.ms", None)]), 42);
    assert_eq!(value(&mut rig, "segment.ms"), (String::from("5"), 1), "one that is wrong: none is changed");
    assert_eq!(replace(&mut rig, &[]), 0);
    assert_eq!(value(&mut rig, "segment.ms").1, 5);
}

#[test]
fn a_change_that_cannot_be_is_refused_in_words_and_changes_nothing() {
    let mut rig = rig();
    for (change, code, says) in [
        (("no.such", SET, Some("1")), 40, "Unknown topic config name"),
        (("no.such", DELETE, None), 40, "Unknown topic config name"),
        (("flush.ms", SET, Some("soon")), 40, "a number"),
        (("max.message.bytes", SET, Some("99999999")), 40, "a number"),
        (("min.insync.replicas", SET, Some("2")), 40, "not be in force"),
        (("retention.ms", SET, Some("-2")), 40, "a number"),
        (("cleanup.policy", SET, Some("compact")), 40, "not be in force"),
        (("cleanup.policy", APPEND, Some("compact")), 40, "not be in force"),
        (("flush.ms", APPEND, Some("1")), 40, "not LIST"),
        (("flush.ms", SUBTRACT, Some("1")), 40, "not LIST"),
        (("flush.ms", SET, None), 42, "Null value"),
        (("flush.ms", 9, Some("1")), 42, "Unknown config operation"),
    ] {
        let told = alter(&mut rig, &[("segment.ms", SET, Some("5")), change]);
        assert_eq!(told.0, code, "{change:?}: {}", told.1);
        assert!(told.1.contains(says), "{change:?}: {}", told.1);
        assert_eq!((value(&mut rig, "segment.ms").1, value(&mut rig, "flush.ms").0), (5, "1000".into()));
    }
    let twice = [("flush.ms", SET, Some("1")), ("flush.ms", SET, Some("2"))];
    assert_eq!(alter(&mut rig, &twice).0, 42);
    let ok = [("flush.ms", SET, Some("7"))];
    let of = |name: &str| resource(TOPIC, name, &ok);
    let told = alter_each(&mut rig, false, vec![of("t"), of("none"), of("t")]);
    assert_eq!(told.iter().map(|told| told.0).collect::<Vec<_>>(), [42, 3, 42]);
    assert_eq!(alter_each(&mut rig, true, vec![of("t")])[0].0, 0, "only asked whether it could");
    assert_eq!(value(&mut rig, "flush.ms").0, "1000");
}

#[test]
fn items_are_added_to_lists_and_taken_away() {
    let mut rig = rig();
    let list = "leader.replication.throttled.replicas";
    assert_eq!(alter(&mut rig, &[(list, SET, Some("0:1,1:1"))]).0, 0);
    assert_eq!(alter(&mut rig, &[(list, APPEND, Some("2:1,0:1"))]).0, 0);
    assert_eq!(value(&mut rig, list).0, "0:1,1:1,2:1");
    assert_eq!(alter(&mut rig, &[(list, SUBTRACT, Some("1:1"))]).0, 0);
    assert_eq!(value(&mut rig.crash(), list).0, "0:1,2:1");
}

#[test]
fn a_changed_config_is_not_told_before_it_is_durable() {
    let mut rig = rig();
    rig.hold_log();
    let change = resource(TOPIC, "t", &[("flush.ms", SET, Some("7"))]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![change]);
    let altered = rig.send(1, 1, Request::Admin(AdminRequest::IncrementalAlterConfigs(request)));
    let resource = DescribeConfigsResource::default().with_resource_type(TOPIC).with_resource_name(text("t"));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let described = rig.send(2, 4, Request::Admin(AdminRequest::DescribeConfigs(request)));
    assert_eq!((rig.reply(altered), rig.reply(described)), (None, None), "a crash could take it away");
    rig.release();
    assert!(rig.reply(altered).is_some() && rig.reply(described).is_some());
}

/// A version that knew another config gave it to a topic: it may be taken away, and not be given.
#[test]
fn a_config_of_another_version_can_be_taken_away() {
    let mut rig = Rig::new(small());
    rig.create("t", 1, &[("flush.ms", "1000")]);
    let (file, at) = last_data_group(&rig.disk);
    rig.disk.with(|files| {
        let bytes = &mut files.get_mut(&file).expect("there")[at..];
        let (header, _) = GroupHeader::decode_front(bytes).expect("it is a group");
        let front = &mut bytes[..header.front_len() as usize];
        let name = front.windows(8).position(|name| name == b"flush.ms").expect("the config");
        front[name..name + 8].copy_from_slice(b"other.ms");
        let crc = crc32c::crc32c(&front[12..]);
        front[8..12].copy_from_slice(&crc.to_le_bytes());
    });
    let mut rig = rig.crash();
    let topic = |rig: &Rig| {
        let state = rig.broker.state().expect("it serves");
        state.topic_named("t").map(|topic| topic.created.configs.keys().cloned().collect::<Vec<_>>())
    };
    assert_eq!(topic(&rig), Some(vec![String::from("other.ms")]));
    assert_eq!(alter(&mut rig, &[("other.ms", SET, Some("5"))]).0, 40);
    assert_eq!(alter(&mut rig, &[("another.ms", DELETE, None)]).0, 40);
    assert_eq!(alter(&mut rig, &[("other.ms", DELETE, None)]).0, 0);
    assert_eq!(topic(&rig.crash()), Some(vec![]));
}
