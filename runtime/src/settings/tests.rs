use std::process::Command as Process;

use clap::CommandFactory;

use evenkeel_core::limits::RETENTION;

use super::*;

/// Another value than the default, for every flag that has one; and how to see that it took effect.
const OTHER: [(&str, &str, &str); 38] = [
    ("EVENKEEL_LISTEN", "127.0.0.1:1234", "host: \"127.0.0.1\", port: 1234"),
    ("EVENKEEL_ADVERTISED_ADDR", "there:77", "host: \"there\", port: 77"),
    (
        "EVENKEEL_METRICS_LISTEN",
        "127.0.0.1:1235",
        "metrics_listen: Some(HostPort { host: \"127.0.0.1\", port: 1235",
    ),
    ("EVENKEEL_DATA_DIR", "elsewhere", "data_dir: \"elsewhere\""),
    ("EVENKEEL_CLUSTER_ID", "mine", "cluster_id: Some(\"mine\")"),
    ("EVENKEEL_NODE_ID", "42", "node_id: 42"),
    ("EVENKEEL_DEFAULT_PARTITIONS", "7", "default_partitions: 7"),
    ("EVENKEEL_AUTO_CREATE_TOPICS", "false", "auto_create_topics: false"),
    ("EVENKEEL_MESSAGE_BYTES_MAX", "2MiB", "(2097152 bytes)"),
    ("EVENKEEL_SEGMENT_BYTES", "1GiB", "(1073741824 bytes)"),
    ("EVENKEEL_CACHE_BYTES", "1KiB", "(1024 bytes)"),
    ("EVENKEEL_REQUEST_MEMORY", "5MiB", "(5242880 bytes)"),
    ("EVENKEEL_MAX_CONNECTIONS", "3", "max_connections: 3"),
    ("EVENKEEL_IDLE_TIMEOUT", "3s", "idle_timeout: 3s"),
    ("EVENKEEL_PROGRESS_TIMEOUT", "4s", "progress_timeout: 4s"),
    ("EVENKEEL_SHUTDOWN_TIMEOUT", "5s", "shutdown_timeout: 5s"),
    ("EVENKEEL_PRODUCER_EXPIRY", "6s", "producer_expiry: 6s"),
    ("EVENKEEL_GROUP_INITIAL_REBALANCE_DELAY", "7s", "group_initial_rebalance_delay: 7s"),
    ("EVENKEEL_GROUP_SESSION_TIMEOUT_MIN", "8s", "group_session_timeout_min: 8s"),
    ("EVENKEEL_GROUP_SESSION_TIMEOUT_MAX", "9s", "group_session_timeout_max: 9s"),
    ("EVENKEEL_GROUP_MEMBERS_MAX", "11", "group_members_max: 11"),
    ("EVENKEEL_OFFSETS_RETENTION", "12s", "offsets_retention: 12s"),
    ("EVENKEEL_RETENTION", "forever", "retention: Forever"),
    ("EVENKEEL_RETENTION_BYTES", "3GiB", "(3221225472 bytes)"),
    ("EVENKEEL_RETENTION_CHECK_INTERVAL", "17s", "retention_check_interval: 17s"),
    ("EVENKEEL_OBJECT_STORE", "gs://there", "object_store: Some(\"gs://there\")"),
    ("EVENKEEL_S3_BUCKET", "pail", "s3_bucket: Some(\"pail\")"),
    ("EVENKEEL_S3_ENDPOINT", "http://s3:9", "s3_endpoint: Some(\"http://s3:9\")"),
    ("EVENKEEL_S3_REGION", "far", "s3_region: Some(\"far\")"),
    ("EVENKEEL_S3_PREFIX", "at/first", "s3_prefix: Some(\"at/first\")"),
    ("EVENKEEL_S3_FLUSH_INTERVAL", "13s", "s3_flush_interval: 13s"),
    ("EVENKEEL_OBJECT_STORE_START_WAIT", "14s", "object_store_start_wait: 14s"),
    ("EVENKEEL_OBJECT_STORE_STOP_WAIT", "15s", "object_store_stop_wait: 15s"),
    ("EVENKEEL_OBJECT_STORE_CACHE_BYTES", "6MiB", "(6291456 bytes)"),
    ("EVENKEEL_OBJECT_STORE_MERGE_OBJECTS", "9", "object_store_merge_objects: 9"),
    ("EVENKEEL_MAX_UNFLUSHED_AGE", "16s", "max_unflushed_age: Some(16s)"),
    ("EVENKEEL_LOG_LEVEL", "trace", "log_level: LevelFilter::TRACE"),
    ("EVENKEEL_ACCEPT_LOSS_FROM_LSN", "9", "accept_loss_from_lsn: Some(9)"),
];

#[test]
fn every_flag_has_an_environment_variable_and_every_variable_is_wired() {
    let command = CommandLine::command();
    let serve = command.find_subcommand("serve").expect("there is one");
    let mut documented: Vec<String> = Vec::new();
    for argument in serve.get_arguments().filter(|argument| argument.get_id() != "help") {
        let long = argument.get_long().expect("every setting is a flag");
        let variable = argument.get_env().expect("every flag has a variable").to_string_lossy().into_owned();
        assert_eq!(variable, format!("EVENKEEL_{}", long.to_uppercase().replace('-', "_")));
        documented.push(variable);
    }
    let mut tested: Vec<String> = OTHER.iter().map(|(name, _, _)| (*name).to_string()).collect();
    documented.sort();
    tested.sort();
    assert_eq!(documented, tested);
    // The environment of a process is for its start only: each variable is tried in a process of its own.
    let us = std::env::current_exe().expect("a test has a path");
    for (name, value, seen) in OTHER {
        let run = |set: bool| {
            let mut process = Process::new(&us);
            process.env_clear().args([
                "--exact",
                "settings::tests::print_settings",
                "--nocapture",
                "--ignored",
            ]);
            if set {
                process.env(name, value);
            }
            let output = process.output().expect("it runs");
            String::from_utf8_lossy(&output.stderr).into_owned()
        };
        assert!(!run(false).contains(seen), "{name}: the default is the same");
        let with = run(true);
        assert!(with.contains(seen), "{name}={value} is not wired: {with}");
    }
}

#[test]
#[ignore = "helper process of the test above"]
fn print_settings() {
    let parsed = CommandLine::try_parse_from(["evenkeel", "serve"]).expect("valid");
    eprintln!("{:?}", parsed.command);
}

fn settings(arguments: &[&str]) -> Result<Serve, String> {
    let all = ["evenkeel", "serve"].iter().chain(arguments);
    let parsed = CommandLine::try_parse_from(all).map_err(|error| error.to_string())?;
    match parsed.command {
        Some(Command::Serve(serve)) => Ok(*serve),
        Some(
            Command::Topic(_)
            | Command::Group(_)
            | Command::Config(_)
            | Command::Inspect(_)
            | Command::Verify(_)
            | Command::Restore(_),
        )
        | None => panic!("serve was said"),
    }
}

fn serve(arguments: &[&str]) -> Result<Config, String> {
    let serve = settings(arguments)?;
    // What binding would give; a name stands for the loopback address.
    let ip = serve.listen.host.parse().unwrap_or(IpAddr::from([127, 0, 0, 1]));
    serve.config(SocketAddr::new(ip, serve.listen.port))
}

#[test]
fn the_defaults_are_valid_and_those_of_the_brain() {
    let defaults = serve(&[]).expect("valid");
    assert!(defaults.data_directory.ends_with("/data"), "{}", defaults.data_directory);
    // The brain keeps for ever what nobody tells it to let go.
    assert_eq!(defaults.retention, Some(RETENTION));
    // Nor has it a place for objects of its own.
    assert_eq!(defaults.store, Some(StoreConfig::default()));
    let Config { data_directory, retention, store, .. } = Config::default();
    assert_eq!(Config { data_directory, retention, store, ..defaults }, Config::default());
}

#[test]
fn what_is_out_of_bounds_is_refused_in_words() {
    for (arguments, words) in [
        (vec!["--segment-bytes", "1000"], "multiple of 4096"),
        (vec!["--segment-bytes", "9GiB"], "too large"),
        (vec!["--message-bytes-max", "64MiB"], "the bound is 16777216"),
        (vec!["--default-partitions", "0"], "1 to 10000"),
        (vec!["--node-id", "-3"], "unexpected argument"),
        (vec!["--listen", "nowhere"], "a host and a port"),
        (vec!["--listen", "::1:9092"], "needs brackets"),
        (vec!["--advertised-addr", "there:0"], "cannot be connected to"),
        (vec!["--listen", "0.0.0.0:9092"], "--advertised-addr"),
        (vec!["--advertised-addr", "host"], "a host and a port"),
        (vec!["--idle-timeout", "fast"], "invalid value"),
        (vec!["--cluster-id", "a b"], "printable"),
        (vec!["--s3-flush-interval", "999ms"], "1s to 24h"),
        (vec!["--s3-flush-interval", "25h"], "1s to 24h"),
        (vec!["--retention", "never"], "a time is needed, as in 7d, or \"forever\""),
        (vec!["--retention-check-interval", "0s"], "1ms to 24h"),
        (vec!["--retention-bytes", "8EiB"], "63 bits"),
    ] {
        let error = serve(&arguments).expect_err("out of bounds");
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
}

#[test]
fn a_store_is_named_in_one_way() {
    let s3 = |prefix: &str, endpoint: Option<&str>, region: Option<&str>| {
        StorePlace::s3("b", prefix, endpoint, region).expect("sound").into()
    };
    for (arguments, place) in [
        (vec![], Some(StorePlace::within(Path::new("data")))),
        (vec!["--data-dir", "/d"], Some(StorePlace::Directory { path: "/d/objects".into(), create: true })),
        (vec!["--object-store", "none"], None),
        (vec!["--object-store", "s3://b/p"], s3("p", None, None)),
        (vec!["--s3-bucket", "b"], s3("", None, None)),
        (
            vec!["--s3-bucket", "b", "--s3-prefix", "p/", "--s3-endpoint", "http://h:9", "--s3-region", "r"],
            s3("p", Some("http://h:9"), Some("r")),
        ),
        (vec!["--object-store", "memory://"], Some(StorePlace::Memory)),
    ] {
        assert_eq!(settings(&arguments).expect("parses").store(), Ok(place), "{arguments:?}");
    }
    for (arguments, words) in [
        (vec!["--object-store", "s3://b", "--s3-bucket", "b"], "one of them is enough"),
        (vec!["--object-store", "s3://b", "--s3-region", "r"], "--s3-region is for the bucket"),
        (vec!["--s3-endpoint", "http://h"], "--s3-endpoint is for the bucket"),
        (vec!["--s3-prefix", "p"], "--s3-prefix is for the bucket"),
        (vec!["--object-store", "nowhere"], "--object-store: a URL is needed"),
        (vec!["--s3-bucket", "b/p"], "not the name of a bucket"),
        (vec!["--s3-bucket", "b", "--s3-endpoint", "h:9"], "not an endpoint"),
    ] {
        let error = settings(&arguments).expect("parses").store().expect_err("no store");
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
}

#[test]
fn the_command_line_is_sound() {
    CommandLine::command().debug_assert();
}

#[test]
fn clients_are_told_a_host_they_can_connect_to() {
    for (arguments, host, port) in [
        (vec!["--listen", "localhost:9000"], "localhost", 9000),
        (vec!["--listen", "[::1]:9000"], "::1", 9000),
        (
            vec!["--listen", "0.0.0.0:9000", "--advertised-addr", "broker.example:29092"],
            "broker.example",
            29092,
        ),
        (vec!["--advertised-addr", "[2001:db8::1]:9092"], "2001:db8::1", 9092),
    ] {
        let config = serve(&arguments).expect("valid");
        assert_eq!((&config.advertised_host[..], config.advertised_port), (host, port), "{arguments:?}");
    }
}
