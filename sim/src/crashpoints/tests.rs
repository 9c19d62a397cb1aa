use super::*;
use crate::mutant::{CATALOGUE, Mutant};

fn short(bases: &[Base], mutant: Option<Mutant>, jobs: usize) -> Report {
    explore(&Space { operations: 1, bases: bases.to_vec(), mutant, jobs })
}

#[test]
fn no_crash_of_one_operation_and_none_of_its_recovery_breaks_a_promise() {
    let report = short(&BASES, None, 2);
    if let Some(found) = report.found {
        panic!("{}: {}", found.place, found.violation);
    }
    let counts = report.counts;
    assert!(counts.sequences > 100 && counts.points > 1000 && counts.distinct > 5000, "{counts:?}");
    assert!(counts.ways > 500 && counts.second > 50_000, "{counts:?}");
}

#[test]
fn planted_bugs_that_need_no_failing_disk_are_found_and_their_places_show_them_again() {
    for bug in CATALOGUE.iter() {
        let (mutant, name) = (bug.mutant, bug.name);
        // One needs a failing disk, one needs longer runs, and those in the core are planted in whole processes.
        if matches!(mutant, Mutant::SyncRetried | Mutant::TrimmedNewestFirst | Mutant::Core(_)) {
            continue;
        }
        let Some(found) = short(&BASES, Some(mutant), 2).found else { panic!("{name} survived") };
        let place: Place = found.place.to_string().parse().expect("what is printed can be read");
        assert_eq!(place, found.place);
        let (lines, violation) = tell(&place, Some(mutant));
        assert_eq!(violation.map(|again| again.name), Some(found.violation.name), "{name} at {place}");
        assert!(lines.len() > 5, "{name}: {lines:?}");
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let mutant = Mutant::named("prepared-unsynced");
    for (base, mutant) in [(Base::Empty, None), (Base::TwoSegments, mutant)] {
        let (one, three) = (short(&[base], mutant, 1), short(&[base], mutant, 3));
        assert_eq!(one.counts, three.counts);
        assert_eq!(one.found.map(|found| found.place), three.found.map(|found| found.place));
    }
}

#[test]
fn few_units_are_tried_in_every_combination_and_many_in_those_that_matter() {
    use crate::disk::{Fate, SimDisk};
    use bytes::Bytes;
    use evenkeel_core::{
        port::{Disk, FileName},
        units::SegmentSequence,
    };
    use losses::{FIRST, losses};
    let file = FileName::Segment(SegmentSequence(1));
    let disk = SimDisk::default();
    disk.create(file).expect("room");
    disk.zero(file, 64 << 10).expect("room");
    disk.sync(file).expect("no faults");
    disk.sync_directory().expect("no faults");
    for (sectors, at_least, at_most) in [(5, 32, 60), (8, 256, 300), (40, 4 * 40 - 4, 400)] {
        disk.write_at(file, 0, &[Bytes::from(vec![7; sectors * 512])]).expect("room");
        let units = disk.units();
        assert_eq!(units.len(), sectors);
        let found = losses(&units, FIRST);
        assert_eq!(found[..2], [vec![Fate::New; sectors], vec![Fate::Old; sectors]]);
        let different: std::collections::BTreeSet<_> =
            found.iter().map(|fates| disk.left(&units, fates).fingerprint()).collect();
        assert!((at_least..at_most).contains(&different.len()), "{sectors} sectors: {}", different.len());
    }
}
