use evenkeel_core::units::Lsn;

use super::*;
use crate::driver::StoreFigures;

#[test]
fn each_metric_has_its_help_its_type_and_one_value() {
    let store = StoreFigures {
        recovery_point: Duration::from_millis(1234),
        unflushed_bytes: 77,
        refuses: true,
        stored: Some(Lsn(5)),
    };
    let all = Figures { durable: Some(Lsn(9)), store: Some(store), connections: 3 };
    let told = text(&all, true);
    let values: Vec<&str> = told.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        values[1..],
        [
            "evenkeel_serving 1",
            "evenkeel_connections 3",
            "evenkeel_durable_lsn 9",
            "evenkeel_rpo_seconds 1.234000",
            "evenkeel_unflushed_bytes 77",
            "evenkeel_writes_refused 1",
            "evenkeel_stored_lsn 5",
        ]
    );
    assert!(values[0].starts_with("evenkeel_build_info{version=\"") && values[0].ends_with("\"} 1"));
    for (at, value) in values.iter().enumerate() {
        let name = value.split([' ', '{']).next().expect("a name");
        let lines: Vec<&str> = told.lines().skip(at * 3).take(2).collect();
        assert!(lines[0].starts_with(&format!("# HELP {name} ")) && lines[0].ends_with('.'), "{lines:?}");
        assert_eq!(lines[1], format!("# TYPE {name} gauge"));
    }
}

#[test]
fn what_is_not_known_is_left_out() {
    let told = text(&Figures { durable: None, store: None, connections: 0 }, false);
    assert!(told.contains("evenkeel_serving 0\n"), "{told}");
    assert!(!told.contains("rpo_seconds") && !told.contains("lsn"), "{told}");
}
