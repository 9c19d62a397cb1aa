//! What is for the simulator only is not in the binary that people run.

use evenkeel_tests::binary;

#[test]
fn the_binary_knows_no_marks_and_no_planted_bugs() {
    let marks = include_str!("../../core/src/marks.rs");
    let names: Vec<&str> = marks
        .lines()
        .filter_map(|line| line.strip_prefix("    ")?.split_once(": \"")?.1.strip_suffix("\","))
        .collect();
    assert!(names.len() > 70, "the marks are declared as they were: {names:?}");
    let bytes = std::fs::read(binary()).expect("it was built for these tests");
    let text = String::from_utf8_lossy(&bytes);
    let holds = |part: &str| text.contains(part);
    assert!(holds("end without a closing seal, nothing torn"), "the search finds what is there");
    assert!(!holds("EVENKEEL_AUDIT"), "the switch of mutants is in the binary");
    for name in names {
        assert!(!holds(name), "{name} is in the binary");
    }
}
