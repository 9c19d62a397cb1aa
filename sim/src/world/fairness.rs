//! Nobody starves: every partition of a fetch session that has records gets its turn, however little an answer may hold.

use std::collections::BTreeSet;

use crate::{
    ledger::PartitionKey,
    probe::Probe,
    reading::Reading,
    violation::{Verdict, broken},
    world::World,
};

impl World {
    /// A session over all partitions that have records is asked for one batch at a time. The same batches are asked for again and
    /// again: as if more came to each partition than leaves it.
    pub(super) fn check_turns(&mut self, probe: &mut Probe, reading: &Reading) -> Verdict {
        let parts: Vec<(PartitionKey, i64)> = reading
            .partitions
            .iter()
            .filter(|(_, found)| !found.batches.is_empty())
            .map(|(key, found)| (*key, found.log_start))
            .collect();
        if parts.len() < 2 {
            return Ok(());
        }
        self.mark("turns of a session");
        let told = probe.fetch_in_turn(&parts, parts.len())?;
        check_all_had_one(parts.iter().map(|(key, _)| *key), &told)
    }
}

fn check_all_had_one(asked: impl Iterator<Item = PartitionKey>, told: &[Vec<PartitionKey>]) -> Verdict {
    let had: BTreeSet<&PartitionKey> = told.iter().flatten().collect();
    let asked: Vec<PartitionKey> = asked.collect();
    match asked.iter().find(|key| !had.contains(key)) {
        Some(key) => broken(
            "starved",
            format!(
                "{key:?} has records and got no turn in {} answers to a session of {} partitions",
                told.len(),
                asked.len()
            ),
        ),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_core::units::TopicId;

    use super::*;

    #[test]
    fn a_partition_that_never_has_its_turn_is_noticed() {
        let key = |index| PartitionKey { topic: TopicId([7; 16]), index };
        let asked = || (0..3).map(key);
        let fair = [vec![key(0)], vec![key(1)], vec![key(2)]];
        let greedy = [vec![key(0)], vec![key(1)], vec![key(0)]];
        assert_eq!(check_all_had_one(asked(), &fair), Ok(()));
        assert_eq!(check_all_had_one(asked(), &[vec![], vec![key(2), key(0)], vec![key(1)]]), Ok(()));
        let verdict = check_all_had_one(asked(), &greedy);
        assert_eq!(verdict.err().map(|violation| violation.name), Some("starved"));
    }
}
