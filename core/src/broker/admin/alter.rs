//! AlterConfigs and IncrementalAlterConfigs (KIP-339).

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec::Vec,
};

use bytes::Bytes;
use kafka_protocol::{
    messages::{
        AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest,
        IncrementalAlterConfigsResponse, alter_configs_response, incremental_alter_configs_request,
        incremental_alter_configs_response,
    },
    protocol::StrBytes,
};

use crate::{
    broker::{
        Asker, Live,
        admin::{
            Refused,
            configs::{BROKER, TOPIC, unknown_topic},
            sentence, shown, twice,
        },
    },
    error_code,
    log::entry::Entry,
    marks::{Mark, mark},
    planted::{Planted, planted},
    port::AdminResponse,
    state::{
        configs::{TopicConfigKey, check_config, items},
        topic::Topic,
    },
    turn::Turn,
    units::Lsn,
};

/// What is to happen to a config, as Kafka numbers it.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

/// The configs of a topic as they are to be.
type Configs = BTreeMap<String, String>;

fn invalid(message: impl Into<String>) -> Refused {
    (error_code::INVALID_REQUEST, message.into())
}

/// Each config of a resource is named once, and has a value where it needs one.
fn check_entries<'a>(entries: impl Iterator<Item = (&'a StrBytes, bool)>) -> Result<(), Refused> {
    let mut seen = BTreeSet::new();
    for (name, complete) in entries {
        if !seen.insert(name) {
            return Err(invalid("Error due to duplicate config keys"));
        }
        if !complete {
            return Err(invalid(format!("Null value not supported for : {}", shown(name))));
        }
    }
    Ok(())
}

impl Live {
    /// The configs that a topic has are replaced by those that are named.
    pub(super) fn alter_configs(&mut self, asker: Asker, request: AlterConfigsRequest, turn: &mut Turn<'_>) {
        let named = request.resources.iter().map(|each| (each.resource_type, each.resource_name.clone()));
        let twice = twice(named);
        let mut responses = Vec::with_capacity(request.resources.len());
        for resource in request.resources {
            let (kind, name) = (resource.resource_type, &resource.resource_name);
            let repeated = twice.contains(&(kind, name.clone()));
            let entries = resource.configs.iter().map(|config| (&config.name, config.value.is_some()));
            let outcome = check_entries(entries)
                .and_then(|()| self.alterable(kind, name, repeated))
                .map(|_| {
                    let given = resource.configs.iter();
                    given
                        .filter_map(|each| Some((each.name.to_string(), each.value.as_ref()?.to_string())))
                        .collect()
                })
                .map(|configs| self.merged(name, configs))
                .and_then(|configs: Configs| self.change_configs(name, configs, request.validate_only));
            let (error_code, message) = outcome.err().unwrap_or_default();
            responses.push(
                alter_configs_response::AlterConfigsResourceResponse::default()
                    .with_error_code(error_code)
                    .with_error_message(if error_code == 0 { None } else { sentence(message) })
                    .with_resource_type(kind)
                    .with_resource_name(resource.resource_name),
            );
        }
        let response = AlterConfigsResponse::default().with_responses(responses);
        self.answer_admin(asker, AdminResponse::AlterConfigs(response), self.configs_known(), turn);
    }

    /// Single configs are set, taken away, or added to.
    pub(super) fn incremental_alter_configs(
        &mut self,
        asker: Asker,
        request: IncrementalAlterConfigsRequest,
        turn: &mut Turn<'_>,
    ) {
        let named = request.resources.iter().map(|each| (each.resource_type, each.resource_name.clone()));
        let twice = twice(named);
        let mut responses = Vec::with_capacity(request.resources.len());
        for resource in request.resources {
            let (kind, name) = (resource.resource_type, &resource.resource_name);
            let repeated = twice.contains(&(kind, name.clone()));
            let entries = resource
                .configs
                .iter()
                .map(|config| (&config.name, config.config_operation == DELETE || config.value.is_some()));
            let outcome = check_entries(entries)
                .and_then(|()| self.alterable(kind, name, repeated))
                .and_then(|topic| self.altered(topic, &resource.configs))
                .and_then(|configs| self.change_configs(name, configs, request.validate_only));
            let (error_code, message) = outcome.err().unwrap_or_default();
            responses.push(
                incremental_alter_configs_response::AlterConfigsResourceResponse::default()
                    .with_error_code(error_code)
                    .with_error_message(if error_code == 0 { None } else { sentence(message) })
                    .with_resource_type(kind)
                    .with_resource_name(resource.resource_name),
            );
        }
        let response = IncrementalAlterConfigsResponse::default().with_responses(responses);
        let response = AdminResponse::IncrementalAlterConfigs(response);
        self.answer_admin(asker, response, self.configs_known(), turn);
    }

    /// Below which LSN everything must be durable before a change of configs may be acknowledged.
    fn configs_known(&self) -> Lsn {
        if planted(Planted::ConfigsToldBeforeDurable) { self.log.durable() } else { self.state.catalog_known }
    }

    /// What is named replaces everything, unless a bug is planted.
    fn merged(&self, name: &str, named: Configs) -> Configs {
        let Some(topic) = self.state.topic_named(name).filter(|_| planted(Planted::ConfigsMerged)) else {
            return named;
        };
        let mut configs = topic.created.configs.clone();
        configs.extend(named);
        configs
    }

    /// The topic whose configs may be altered.
    fn alterable(&self, kind: i8, name: &str, repeated: bool) -> Result<&Topic, Refused> {
        if repeated {
            return Err(invalid("Each resource must appear at most once."));
        }
        match kind {
            TOPIC => self.state.topic_named(name).ok_or_else(|| unknown_topic(name)),
            BROKER => {
                if !name.is_empty() {
                    self.check_broker(name, " or empty string")?;
                }
                Err(invalid(
                    "Cannot update these configs dynamically: a broker is configured on its command line.",
                ))
            }
            other => Err(self.without_configs(other, name)),
        }
    }

    /// The configs of a topic after these changes.
    fn altered(
        &self,
        topic: &Topic,
        changes: &[incremental_alter_configs_request::AlterableConfig],
    ) -> Result<Configs, Refused> {
        let mut configs = topic.created.configs.clone();
        for change in changes {
            let name = change.name.as_str();
            let value = change.value.as_deref().unwrap_or_default();
            let key = TopicConfigKey::named(name);
            match change.config_operation {
                SET => drop(configs.insert(name.to_string(), value.to_string())),
                DELETE => {
                    // One that is kept from an older version may go, whatever it is.
                    if configs.remove(name).is_none() && key.is_none() {
                        let message = format!("Unknown topic config name: {}", shown(name));
                        return Err((error_code::INVALID_CONFIG, message));
                    }
                }
                APPEND | SUBTRACT => {
                    let appends = change.config_operation == APPEND;
                    let Some(key) = key.filter(|key| key.is_list()) else {
                        let (what, to) = if appends { ("append", "to") } else { ("subtract", "from") };
                        let message =
                            format!("Can't {what} {to} key {} because its type is not LIST.", shown(name));
                        return Err((error_code::INVALID_CONFIG, message));
                    };
                    let now = configs.get(name).cloned().unwrap_or_else(|| key.default(&self.config));
                    configs.insert(name.to_string(), edited(&now, value, appends));
                }
                other => return Err(invalid(format!("Unknown config operation {other}"))),
            }
        }
        Ok(configs)
    }

    /// A topic is to have these configs and no others.
    fn change_configs(&mut self, name: &str, configs: Configs, validate_only: bool) -> Result<(), Refused> {
        let topic = self.state.topic_named(name).ok_or_else(|| unknown_topic(name))?;
        let now = &topic.created.configs;
        // What it has already was checked when it was given, perhaps by another version.
        for (name, value) in configs.iter().filter(|(name, value)| now.get(*name) != Some(value)) {
            check_config(name, value, &self.config)
                .map_err(|message| (error_code::INVALID_CONFIG, message))?;
        }
        let mut changes: BTreeMap<String, Option<String>> =
            now.keys().filter(|name| !configs.contains_key(*name)).map(|name| (name.clone(), None)).collect();
        changes.extend(
            configs
                .into_iter()
                .filter(|(name, value)| now.get(name) != Some(value))
                .map(|(name, value)| (name, Some(value))),
        );
        if validate_only || changes.is_empty() {
            mark(Mark::ConfigsAsTheyWere);
            return Ok(());
        }
        self.check_log_room(Mark::AdminNoRoom)?;
        let topic = topic.id();
        let deletes = changes.values().any(Option::is_none);
        mark(if deletes { Mark::ConfigDeleted } else { Mark::ConfigsChanged });
        if planted(Planted::ConfigDeletionUnlogged) {
            let entry = Entry::ConfigsChanged { topic, configs: changes.clone() };
            self.state.apply(self.log.durable(), &entry);
            changes.retain(|_, value| value.is_some());
        }
        self.commit(Entry::ConfigsChanged { topic, configs: changes }, Bytes::new());
        Ok(())
    }
}

/// A list with these items more, or without them.
fn edited(list: &str, items_given: &str, appends: bool) -> String {
    let given = items(items_given);
    let mut now = items(list);
    if appends {
        for item in given {
            if !now.contains(&item) {
                now.push(item);
            }
        }
    } else {
        now.retain(|item| !given.contains(item));
    }
    now.join(",")
}
