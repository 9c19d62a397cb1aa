//! A crate of a few lines, audited as the broker is: made, compiled, switched.

use std::{collections::BTreeMap, fs, path::Path};

use evenkeel_audit::{
    copy::{Copy, Subject, Tests},
    site::Operator,
    suite::Suite,
    worker::Tried,
};

const MANIFEST: &str =
    "[workspace]\nresolver = \"3\"\nmembers = [\"small\"]\ndefault-members = [\"small\"]\n";
const PACKAGE: &str = "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
const SOURCE: &str = r#"//! Small.
pub struct NoDefault(pub u32);
pub struct Held {
    pub seen: u32,
    pub kept: NoDefault,
}
pub fn hold(seen: u32, kept: NoDefault) -> Held {
    Held { seen, kept }
}
pub fn below(value: u32, bound: u32) -> bool {
    value < bound
}
pub fn sum_from(values: &[u32], first: usize) -> u32 {
    let mut sum = 0;
    for value in &values[first..] {
        sum += value;
    }
    sum
}
pub fn at_most(value: u32, bound: u32) -> bool {
    value <= bound
}
pub fn half(value: u32) -> Result<u32, ()> {
    if value % 2 == 0 { Ok(value / 2) } else { Err(()) }
}
pub fn quarter(value: u32) -> Result<u32, ()> {
    half(half(value)?)
}
pub fn nobody_calls(value: u32) -> u32 {
    value + 1
}
#[cfg(test)]
mod tests;
"#;
const TESTS: &str = "use super::*;\n\n#[test]\nfn borders() {\n    assert!(below(1, 2) && !below(2, 2));\n}\n\n#[test]\nfn sums() {\n    assert_eq!(sum_from(&[1, 2, 3], 1), 5);\n}\n\n#[test]\nfn inside() {\n    assert!(at_most(1, 2) && !at_most(3, 2));\n    assert_eq!(quarter(8), Ok(2));\n}\n\n#[test]\nfn holds() {\n    let held = hold(3, NoDefault(4));\n    assert_eq!(held.kept.0, 4);\n}\n";
const SMALL: Subject = Subject {
    folder: "small",
    package: "small",
    files: &[],
    root: "lib.rs",
    members: &["small"],
    flags: "",
    tests: &[Tests { package: "small", which: &[], flags: "" }],
    program: None,
};

fn lay(root: &Path) {
    fs::create_dir_all(root.join("small/src")).expect("a temporary folder");
    for (name, text) in [
        ("Cargo.toml", MANIFEST),
        ("Cargo.lock", "version = 4\n"),
        ("small/Cargo.toml", PACKAGE),
        ("small/src/lib.rs", SOURCE),
        ("small/src/tests.rs", TESTS),
    ] {
        fs::write(root.join(name), text).expect("a temporary folder");
    }
}

#[test]
fn what_compiles_is_switched_found_or_told_apart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let source = folder.path().join("source");
    lay(&source);
    let copy = Copy::make(&source, &folder.path().join("audit"), SMALL).expect("it compiles in the end");
    let named = |operator: Operator, part: &str| {
        let found = copy.sites.iter().find(|site| site.operator == operator && site.text.contains(part));
        found.map(|site| site.number)
    };
    assert_eq!(
        named(Operator::Field, "kept : kept"),
        None,
        "no default: it does not compile, and is left out"
    );
    let numbers: BTreeMap<&str, u32> = [
        ("border", named(Operator::Comparison, "value < bound")),
        ("sum", named(Operator::LeftOut, "sum += value")),
        ("loop", named(Operator::First, "values")),
        ("field", named(Operator::Field, "seen : seen")),
        ("no border", named(Operator::Comparison, "value <= bound")),
        ("no error", named(Operator::Default, "half (value) ?")),
        ("dead", named(Operator::Amount, "value + 1")),
    ]
    .map(|(name, number)| (name, number.expect(name)))
    .into();

    let suite = Suite::of(&copy, &folder.path().join("reached"), 1).expect("the tests build");
    assert_eq!(suite.len(), 4, "every test passes with no mutant switched on");
    let killed_by = |name: &str| match suite.try_on(numbers[name]).expect("it starts") {
        Tried::Killed { at, .. } => Some(at),
        Tried::Survived => None,
    };
    assert_eq!(killed_by("border").as_deref(), Some("tests::borders"));
    assert_eq!(killed_by("sum").as_deref(), Some("tests::sums"));
    assert_eq!(killed_by("loop").as_deref(), Some("tests::sums"));
    assert_eq!(killed_by("field"), None, "it is reached and nobody looks");
    assert!(!suite.reaches(numbers["no border"]), "no equal values");
    assert!(!suite.reaches(numbers["no error"]));
    assert!(suite.reaches(numbers["field"]) && !suite.reaches(numbers["dead"]), "that one nobody comes by");

    // The second copy takes one round, and gives the same numbers.
    let again = Copy::make(&source, &folder.path().join("audit"), SMALL).expect("it compiles at once");
    assert_eq!(again.sites, copy.sites);
}

#[test]
fn a_crate_that_is_wrong_by_itself_is_an_error_with_its_words() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let source = folder.path().join("source");
    lay(&source);
    fs::write(source.join("small/src/lib.rs"), "pub fn wrong() -> u32 { \"no number\" }\n").expect("written");
    let error = Copy::make(&source, &folder.path().join("audit"), SMALL).expect_err("it does not compile");
    assert!(error.contains("mismatched types"), "{error}");
}
