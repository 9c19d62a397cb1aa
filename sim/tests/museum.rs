//! Bugs that were. See `sim/museum/README.md`.

use std::path::Path;

use evenkeel_sim::{
    museum::{self, Condition},
    mutant::Mutant,
};

#[test]
fn every_bug_that_was_found_once_stays_away() {
    let items = museum::items(Path::new(museum::DIRECTORY)).expect("the museum can be read");
    assert!(items.len() >= 5, "an empty museum shows nothing");
    for item in items {
        assert!(item.repro.story.is_some() && item.repro.violation.is_some(), "{} has no label", item.name);
        assert_eq!(item.repro.script.mutant.map(Mutant::name), Some(item.name.as_str()), "it names its bug");
        assert_eq!(item.look(), Condition::Sound, "{}", item.name);
    }
}

#[test]
fn an_item_that_leads_elsewhere_is_noticed() {
    let items = museum::items(Path::new(museum::DIRECTORY)).expect("the museum can be read");
    let mut item = items.into_iter().next().expect("there is one");
    // This bug is in what is asked of the disk, so every build can plant it; a run of another bug does not meet it.
    item.repro.script.mutant = Mutant::named("trimmed-newest-first");
    item.repro.violation = Some(String::from("a promise that nobody gave"));
    assert!(matches!(item.look(), Condition::Stale(_)));
}
