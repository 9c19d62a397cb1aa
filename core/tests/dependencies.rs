//! What `core` depends on is a decision. This list changes in the commit that says why.

#[test]
fn core_depends_on_these_and_nothing_else() {
    let manifest = include_str!("../Cargo.toml");
    let after = manifest.split("[dependencies]").nth(1).expect("there are dependencies");
    let section = after.split("\n[").next().expect("the section ends");
    let names: Vec<&str> = section
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .collect();
    assert_eq!(
        names,
        ["bytes", "crc32c", "kafka-protocol", "lz4_flex", "miniz_oxide", "ruzstd", "snap", "uuid"]
    );
    let lib = include_str!("../src/lib.rs");
    assert!(lib.contains("#![no_std]") && lib.contains("#![forbid(unsafe_code)]"));
}
