use std::panic::{AssertUnwindSafe, catch_unwind};

use evenkeel_core::{
    log::entry::{Entry, GroupChange, GroupEntry},
    units::Offset,
};

use super::*;
use crate::{memory_disk::MemoryDisk, plan::tests::changed};

type Falsification = fn(&mut Entry) -> bool;

fn in_group(entry: &mut Entry, id: &str, change: impl FnOnce(&mut GroupEntry) -> bool) -> bool {
    if let Entry::Group(GroupChange { group, what }) = entry { group == id && change(what) } else { false }
}

/// For each thing that is known: an entry that says another one, and how the broker is found out then.
const FALSE: [(Falsification, &str); 7] = [
    (
        |entry| {
            if let Entry::PartitionsAdded { partitions, .. } = entry {
                *partitions -= 1;
                true
            } else {
                false
            }
        },
        "partitions of a",
    ),
    (
        |entry| {
            if let Entry::RecordsDeleted { log_start: log_start @ Offset(2), .. } = entry {
                log_start.0 = 3;
                true
            } else {
                false
            }
        },
        "log starts",
    ),
    (
        |entry| {
            if let Entry::ConfigsChanged { configs, .. } = entry {
                configs.values_mut().for_each(|value| *value = Some(String::from("5001")));
                true
            } else {
                false
            }
        },
        "told Configs(\"a\"",
    ),
    (
        |entry| {
            in_group(entry, "g", |what| {
                if let GroupEntry::Committed { offsets, .. } = what {
                    offsets[0].1.metadata.push('x');
                    true
                } else {
                    false
                }
            })
        },
        "told Offsets(\"g\"",
    ),
    (
        |entry| {
            in_group(entry, "h", |what| {
                if let GroupEntry::Forgotten { partitions } = what {
                    partitions.clear();
                    true
                } else {
                    false
                }
            })
        },
        "told Offsets(\"h\"",
    ),
    (
        |entry| {
            in_group(entry, "g", |what| {
                if let GroupEntry::Assignment { assignment, .. } = what {
                    assignment.push(1);
                    true
                } else {
                    false
                }
            })
        },
        "members of g",
    ),
    (
        |entry| {
            in_group(entry, "h", |what| {
                *what = GroupEntry::Deleted;
                true
            })
        },
        "groups at LSN",
    ),
];

#[test]
fn a_broker_that_tells_anything_else_after_a_start_is_found_out() {
    let life = changed(&[12]);
    let (image, truth) = (life.world.disk.image(), life.world.truth.clone().expect("it is taken down"));
    let serves = |truth: &Truth| {
        let mut world = World::boot(MemoryDisk::holding(&image), life.world.config().clone(), None);
        world.assert_serves(truth, truth.upto());
    };
    serves(&truth);
    for (falsify, found_out) in FALSE {
        let mut truth = truth.clone();
        truth.falsify(falsify);
        let panic = catch_unwind(AssertUnwindSafe(|| serves(&truth))).expect_err(found_out);
        let message = panic.downcast_ref::<String>().expect("a message");
        assert!(message.contains(found_out), "{found_out}: {message}");
    }
}

#[test]
fn a_generation_that_goes_back_is_found_out() {
    let life = changed(&[13]);
    let mut truth = life.world.truth.clone().expect("it is taken down");
    truth.falsify(|entry| {
        in_group(entry, "g", |what| {
            if let GroupEntry::Generation { generation, .. } = what {
                *generation = 1;
                true
            } else {
                false
            }
        })
    });
    let panic = catch_unwind(AssertUnwindSafe(|| truth.known(truth.upto()))).expect_err("given out again");
    let message = panic.downcast_ref::<String>().expect("a message");
    assert!(message.contains("1 is given out again"), "{message}");
}
