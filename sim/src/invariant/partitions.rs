//! M2: a topic has every partition that anybody was told of, and none that nobody asked for.

use crate::{ledger::Ledger, reading::Reading, violation::Verdict};

pub(super) fn check(ledger: &Ledger, found: &Reading) -> Verdict {
    found.topics.iter().try_for_each(|(id, topic)| ledger.check_partitions(*id, topic.partitions))
}
