//! DescribeConfigs: all configs of a topic, and the settings of the broker that have a name in Kafka.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use kafka_protocol::{
    messages::{
        DescribeConfigsRequest, DescribeConfigsResponse,
        describe_configs_request::DescribeConfigsResource,
        describe_configs_response::{
            DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
        },
    },
    protocol::StrBytes,
};

use crate::{
    broker::{
        Asker, Live,
        admin::{Refused, sentence, shown},
        text,
    },
    config::Config,
    error_code,
    limits::{self, CONFIG_RESOURCES_MAX},
    port::AdminResponse,
    state::{
        configs::{TOPIC_CONFIGS, TopicConfigKey, Values},
        topic::check_name,
    },
    turn::Turn,
};

/// Where a value comes from, as Kafka numbers it.
const FROM_TOPIC: i8 = 1;
const FROM_BROKER: i8 = 4;
const FROM_DEFAULT: i8 = 5;

/// Kinds of things that have configs, as Kafka numbers them.
pub(super) const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;
pub(super) const BROKER_LOGGER: i8 = 8;
pub(super) const CLIENT_METRICS: i8 = 16;
pub(super) const GROUP: i8 = 32;

const STRING: i8 = 2;
const INT: i8 = 3;
const LONG: i8 = 5;
const LIST: i8 = 7;
const BOOLEAN: i8 = 1;

/// A topic's config as it is now.
pub(super) struct ToldConfig {
    pub(super) key: &'static TopicConfigKey,
    pub(super) value: String,
    pub(super) source: i8,
}

/// A setting of the broker by its name in Kafka.
struct Setting {
    name: &'static str,
    value: String,
    kind: i8,
    /// What it is where the operator says nothing.
    default: String,
    about: String,
}

impl Live {
    /// All configs of a topic to which these are given.
    pub(super) fn told_configs(&self, given: &BTreeMap<String, String>) -> impl Iterator<Item = ToldConfig> {
        TOPIC_CONFIGS.iter().map(|key| match given.get(key.name) {
            Some(value) => ToldConfig { key, value: value.clone(), source: FROM_TOPIC },
            None => ToldConfig { key, value: key.default(&self.config), source: self.default_source(key) },
        })
    }

    fn default_source(&self, key: &TopicConfigKey) -> i8 {
        let by_operator = match key.values {
            Values::MessageBytes => self.config.message_bytes_max != limits::MESSAGE_BYTES,
            Values::RetentionMs => self.config.retention != Some(limits::RETENTION),
            Values::RetentionBytes => self.config.retention_bytes.is_some(),
            Values::Boolean
            | Values::Int(..)
            | Values::Long(..)
            | Values::Fraction
            | Values::OneOf(_)
            | Values::List(_) => false,
        };
        if by_operator { FROM_BROKER } else { FROM_DEFAULT }
    }

    pub(super) fn describe_configs(
        &mut self,
        asker: Asker,
        request: DescribeConfigsRequest,
        turn: &mut Turn<'_>,
    ) {
        let form = Form {
            synonyms: request.include_synonyms,
            documentation: request.include_documentation && asker.version >= 3,
            types: asker.version >= 3,
        };
        let results = request.resources.into_iter().enumerate().map(|(at, resource)| {
            let told = if at < CONFIG_RESOURCES_MAX {
                self.configs_of(&resource, form)
            } else {
                let message =
                    format!("one request may ask for the configs of {CONFIG_RESOURCES_MAX} at most");
                Err((error_code::INVALID_REQUEST, message))
            };
            let result = DescribeConfigsResult::default()
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name);
            match told {
                Ok(configs) => result.with_configs(configs),
                Err((error_code, message)) => {
                    result.with_error_code(error_code).with_error_message(sentence(message))
                }
            }
        });
        let response = DescribeConfigsResponse::default().with_results(results.collect());
        self.answer_admin(asker, AdminResponse::DescribeConfigs(response), self.state.catalog_known, turn);
    }

    fn configs_of(
        &self,
        asked: &DescribeConfigsResource,
        form: Form,
    ) -> Result<Vec<DescribeConfigsResourceResult>, Refused> {
        let keys = asked.configuration_keys.as_deref();
        let wanted = |name: &str| keys.is_none_or(|keys| keys.iter().any(|key| **key == *name));
        let name = &*asked.resource_name;
        match asked.resource_type {
            TOPIC => {
                check_name(name).map_err(|message| (error_code::INVALID_TOPIC_EXCEPTION, message))?;
                let topic = self.state.topic_named(name).ok_or_else(|| unknown_topic(name))?;
                let told = self.told_configs(&topic.created.configs).filter(|told| wanted(told.key.name));
                Ok(told.map(|told| form.topic(&told, self)).collect())
            }
            // The default of all brokers: there is none that could be changed.
            BROKER if name.is_empty() => Ok(Vec::new()),
            BROKER => {
                self.check_broker(name, " or empty string")?;
                let settings = settings(&self.config).into_iter();
                Ok(settings.filter(|told| wanted(told.name)).map(|told| form.setting(told)).collect())
            }
            other => Err(self.without_configs(other, name)),
        }
    }

    /// That is us.
    pub(super) fn check_broker(&self, name: &str, or: &str) -> Result<(), Refused> {
        if name.parse() == Ok(self.config.node_id) {
            return Ok(());
        }
        let message = format!(
            "Unexpected broker id, expected {}{or}, but received {}",
            self.config.node_id,
            shown(name)
        );
        Err((error_code::INVALID_REQUEST, message))
    }

    /// Why a thing of that kind has no configs.
    pub(super) fn without_configs(&self, kind: i8, name: &str) -> Refused {
        let message = match kind {
            BROKER_LOGGER => match self.check_broker(name, "") {
                Ok(()) => String::from("Loggers have no configs: the log level is set on the command line."),
                Err((_, message)) => message,
            },
            CLIENT_METRICS => String::from("Subscriptions to client metrics are not supported."),
            GROUP => String::from("Configs of groups are not supported."),
            other => format!("Unsupported resource type: {other}"),
        };
        (error_code::INVALID_REQUEST, message)
    }
}

pub(super) fn unknown_topic(name: &str) -> Refused {
    (error_code::UNKNOWN_TOPIC_OR_PARTITION, format!("The topic '{}' does not exist.", shown(name)))
}

/// What is asked for beside the values.
#[derive(Clone, Copy)]
struct Form {
    synonyms: bool,
    documentation: bool,
    types: bool,
}

impl Form {
    fn topic(self, told: &ToldConfig, live: &Live) -> DescribeConfigsResourceResult {
        let mut synonyms = Vec::new();
        if self.synonyms {
            if told.source == FROM_TOPIC {
                synonyms.push(synonym(told.key.name, &told.value, FROM_TOPIC));
            }
            let default = told.key.default(&live.config);
            synonyms.push(synonym(told.key.broker_name, &default, live.default_source(told.key)));
        }
        let result = DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_static_str(told.key.name))
            .with_value(Some(text(&told.value)))
            .with_config_source(told.source)
            .with_synonyms(synonyms);
        let documentation = self.documentation.then(|| told.key.documentation());
        self.typed(result, told.key.type_code(), documentation)
    }

    fn setting(self, told: Setting) -> DescribeConfigsResourceResult {
        let source = if told.value == told.default { FROM_DEFAULT } else { FROM_BROKER };
        let synonyms = if self.synonyms { vec![synonym(told.name, &told.value, source)] } else { Vec::new() };
        let result = DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_static_str(told.name))
            .with_value(Some(StrBytes::from_string(told.value)))
            .with_read_only(true)
            .with_config_source(source)
            .with_synonyms(synonyms);
        let documentation = self.documentation.then_some(told.about);
        self.typed(result, told.kind, documentation)
    }

    fn typed(
        self,
        result: DescribeConfigsResourceResult,
        kind: i8,
        documentation: Option<String>,
    ) -> DescribeConfigsResourceResult {
        if !self.types {
            return result;
        }
        result.with_config_type(kind).with_documentation(documentation.and_then(sentence))
    }
}

fn synonym(name: &'static str, value: &str, source: i8) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym::default()
        .with_name(StrBytes::from_static_str(name))
        .with_value(Some(text(value)))
        .with_source(source)
}

/// The settings that have a name in Kafka, by name: those of the broker, and what topics have that give no value of their own.
fn settings(config: &Config) -> Vec<Setting> {
    let default = Config::default();
    let setting = |name, kind, of: &dyn Fn(&Config) -> String| Setting {
        name,
        kind,
        value: of(config),
        default: of(&default),
        about: String::from("Set on the command line."),
    };
    let millis = |time: core::time::Duration| time.as_millis().to_string();
    let listener =
        |config: &Config| format!("PLAINTEXT://{}:{}", config.advertised_host, config.advertised_port);
    let mut all = vec![
        setting("advertised.listeners", LIST, &listener),
        setting("auto.create.topics.enable", BOOLEAN, &|c| c.auto_create_topics.to_string()),
        setting("broker.id", INT, &|c| c.node_id.to_string()),
        setting("default.replication.factor", INT, &|_| String::from("1")),
        setting("delete.topic.enable", BOOLEAN, &|_| String::from("true")),
        setting("group.initial.rebalance.delay.ms", INT, &|c| millis(c.group_initial_rebalance_delay)),
        setting("group.max.session.timeout.ms", INT, &|c| millis(c.group_session_timeout_max)),
        setting("group.max.size", INT, &|c| c.group_members_max.to_string()),
        setting("group.min.session.timeout.ms", INT, &|c| millis(c.group_session_timeout_min)),
        setting("log.dirs", STRING, &|c| c.data_directory.clone()),
        setting("log.retention.check.interval.ms", LONG, &|c| millis(c.retention_check_interval)),
        setting("log.segment.bytes", INT, &|c| c.segment_bytes.to_string()),
        setting("message.max.bytes", INT, &|c| c.message_bytes_max.to_string()),
        setting("min.insync.replicas", INT, &|_| String::from("1")),
        setting("node.id", INT, &|c| c.node_id.to_string()),
        setting("num.partitions", INT, &|c| c.default_partitions.to_string()),
        setting("offsets.retention.minutes", INT, &|c| (c.offsets_retention.as_secs() / 60).to_string()),
        setting("producer.id.expiration.ms", LONG, &|c| millis(c.producer_expiry)),
    ];
    for key in &TOPIC_CONFIGS {
        if all.iter().all(|known| known.name != key.broker_name) {
            let value = key.default(config);
            all.push(Setting {
                name: key.broker_name,
                default: value.clone(),
                value,
                kind: key.type_code(),
                about: key.documentation(),
            });
        }
    }
    all.sort_by_key(|setting| setting.name);
    all
}
