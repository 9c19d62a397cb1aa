//! Exit codes, messages and help.

use std::process::Stdio;

use evenkeel_tests::binary;

use super::{Ran, broker, command, run};

/// Every command, as the help has them.
const COMMANDS: [&str; 16] = [
    "topic create",
    "topic list",
    "topic describe",
    "topic delete",
    "topic add-partitions",
    "topic delete-records",
    "topic produce",
    "topic consume",
    "group list",
    "group describe",
    "group delete",
    "group reset-offsets",
    "group delete-offsets",
    "config describe",
    "config set",
    "config unset",
];

const NOWHERE: &str = "127.0.0.1:1";

fn without_broker(line: &str) -> Ran {
    Ran::of(command(NOWHERE, line).output().expect("the binary starts"))
}

#[test]
fn every_help_text_has_examples_that_name_the_command() {
    for line in COMMANDS {
        let help = without_broker(&format!("{line} --help")).ok();
        let (_, examples) = help.split_once("Example").expect("examples");
        assert!(examples.contains(&format!("evenkeel {line}")), "{line}: {help}");
        assert!(help.contains("EVENKEEL_BOOTSTRAP") && help.contains("127.0.0.1:9092"), "{line}: {help}");
    }
    let help = without_broker("--help").ok();
    for line in COMMANDS {
        let (_, verb) = line.split_once(' ').expect("two words");
        assert!(help.contains(verb), "{verb}: {help}");
    }
}

#[test]
fn the_offline_tools_say_what_they_need_and_end_with_1_without_it() {
    for tool in ["inspect", "verify", "restore"] {
        let help = without_broker(&format!("{tool} --help")).ok();
        let (_, examples) = help.split_once("Examples:").expect("examples");
        assert!(examples.contains(&format!("evenkeel {tool}")), "{tool}: {help}");
        assert!(help.contains("--object-store") && help.contains("--s3-endpoint"), "{tool}: {help}");
        assert!(help.contains("Exit codes: 0") && help.contains("JSON: "), "{tool}: {help}");
    }
    for (line, part) in [
        ("verify", "--data-dir DIR, --object-store URL, or both"),
        ("verify --data-dir /nowhere", "/nowhere: No such file or directory"),
        ("verify --object-store file:///nowhere", "No such file or directory"),
        ("verify --object-store nowhere", "a URL is needed"),
        ("verify --frobnicate", "unexpected argument"),
        ("inspect", "a path, or a store and a key, is needed"),
        ("inspect /nowhere/log", "No such file or directory"),
        ("inspect /proc/self/status", "begins like nothing that evenkeel writes"),
        ("inspect data/0000000001-0000000002-0000000000000003", "an object needs a store"),
        ("restore --object-store file:///tmp", "--dry-run"),
        ("restore --dry-run", "--object-store URL"),
    ] {
        let error = without_broker(line).fails(1);
        assert!(error.contains(part), "{line}: {error}");
    }
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_wrong() {
    for (line, part) in [
        ("topic", "Usage: "),
        ("topic frobnicate", "unrecognized subcommand 'frobnicate'"),
        ("topic create", "<NAME>"),
        ("topic create t --partitions 0", "--partitions"),
        ("topic create t --config nonsense", "NAME=VALUE is needed"),
        ("topic delete-records t", "--before"),
        ("topic delete-records t --before beginning", "an offset or `end` is needed"),
        ("topic produce t --header =x", "the name is missing"),
        ("topic consume t --from tomorrow", "beginning, end, an offset, or a time is needed"),
        ("topic consume t --max 0", "--max"),
        ("topic consume t --group g --partition 0", "cannot be used with"),
        ("group reset-offsets g --topic t", "--to-earliest"),
        ("group reset-offsets g --topic t --to-earliest --to-latest", "cannot be used with"),
        ("group reset-offsets g --to-earliest", "--topic"),
        ("config describe topic", "<NAME>"),
        ("config set topic t", "NAME=VALUE"),
        ("topic list --bootstrap nowhere", "--bootstrap"),
        ("topic list -b 127.0.0.1:0", "port 0"),
    ] {
        let error = without_broker(line).fails(2);
        assert!(error.contains(part), "{line}: {error}");
    }
}

#[test]
fn a_broker_that_is_not_there_is_named_with_what_to_do() {
    let error = without_broker("topic list --timeout 50ms").fails(1);
    assert!(error.contains("cannot connect to 127.0.0.1:1: Connection refused"), "{error}");
    assert!(error.ends_with("-b HOST:PORT or EVENKEEL_BOOTSTRAP names another\n"), "{error}");
}

#[test]
fn the_first_broker_of_several_that_answers_is_asked() {
    let directory = tempfile::tempdir().expect("a directory");
    let broker = broker(directory.path());
    let line = format!("topic list --json --bootstrap {NOWHERE},{}", broker.bootstrap());
    assert_eq!(without_broker(&line).json(), serde_json::json!([]));
    // The option goes before the environment.
    let error = run(&broker, &format!("topic list -b {NOWHERE} --timeout 50ms")).fails(1);
    assert!(error.contains(NOWHERE), "{error}");
}

#[test]
fn who_reads_no_further_ends_it_quietly() {
    let directory = tempfile::tempdir().expect("a directory");
    let broker = broker(directory.path());
    let name = "n".repeat(200);
    run(&broker, &format!("topic create {name}")).ok();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let ended = std::process::Command::new(binary())
        .args(["topic", "list", "-b", &broker.bootstrap()])
        .env_clear()
        .stdout(Stdio::from(writer))
        .stderr(Stdio::piped())
        .output()
        .expect("the binary starts");
    let ended = Ran::of(ended);
    assert_eq!((ended.code, &ended.err[..]), (Some(0), ""));
}
