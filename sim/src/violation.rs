//! A promise that was broken.

use core::fmt;

use evenkeel_core::units::TopicId;

use crate::ledger::{OpNumber, PartitionKey};

/// What was broken, under the name that the field gives it, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// `lost-write`, `duplicate` and the like.
    pub name: &'static str,
    /// What was expected and what was found.
    pub detail: String,
    /// What the promise was about, if it was about one thing.
    pub subject: Option<Subject>,
}

/// What a promise is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A batch at its place.
    Batch {
        /// The batch.
        op: OpNumber,
        /// Where it belongs.
        key: PartitionKey,
        /// Its first offset there.
        offset: i64,
    },
    /// A topic.
    Topic(TopicId),
}

/// Whether everything is as promised.
pub type Verdict = Result<(), Violation>;

/// Says that a promise was broken.
///
/// # Errors
/// Always.
pub fn broken<T>(name: &'static str, detail: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { name, detail: detail.into(), subject: None })
}

/// Says that a promise about one thing was broken.
///
/// # Errors
/// Always.
pub fn broken_for<T>(
    name: &'static str,
    subject: Subject,
    detail: impl Into<String>,
) -> Result<T, Violation> {
    Err(Violation { name, detail: detail.into(), subject: Some(subject) })
}

impl Violation {
    /// The same, found under these circumstances.
    #[must_use]
    pub fn when(self, circumstances: &str) -> Violation {
        Violation { detail: format!("{circumstances}{}", self.detail), ..self }
    }

    /// What the promise was, in one sentence.
    #[must_use]
    pub fn promise(&self) -> &'static str {
        match self.name {
            "lost-write" => "What a producer was told is stored stays there, at its offset, unchanged.",
            "unseen" => "What a reader has seen stays there: nothing is shown before it is durable.",
            "duplicate" => {
                "A batch is stored no more often than it was sent, and once by an idempotent producer."
            }
            "inconsistent-offsets" => "Offsets go up without a hole, and each names one record for ever.",
            "nonmonotonic" => "The end of a partition that somebody was told is never taken back.",
            "poll-skip" => "A fetch below the end of a partition brings what is there.",
            "phantom" => "Nothing is there that nobody sent.",
            "damaged-read" | "unreadable" => "What is there can be read, whole and valid.",
            "lost-topic" => "A topic that was acknowledged is there until somebody deletes it.",
            "resurrected-topic" => "A topic whose deletion was acknowledged does not come back.",
            "phantom-topic" => "No topic is there that nobody asked for.",
            "changed-topic" => "A topic keeps its name.",
            "lost-partition" => "A topic keeps every partition that it was told to have.",
            "phantom-partition" => "A topic gets no partitions that nobody asked for.",
            "lost-config" => "A config that was given is there until somebody changes or deletes it.",
            "config-went-back" => "A config never goes back to what was changed or deleted.",
            "phantom-config" => "No config has a value that nobody gave it.",
            "log-start-went-back" => "A partition never begins before the place that was told.",
            "phantom-log-start" => "A partition begins where somebody deleted its records up to.",
            "let-go-too-early" => {
                "What a topic keeps stays: nothing younger goes, and so many bytes are there."
            }
            "kept-too-long" => "What a topic does not keep goes.",
            "resurrected-record" => "A record whose deletion was acknowledged is not served again.",
            "reused-topic-id" => "A topic's id is never given to another one.",
            "reissued-producer-id" => "A producer id is given out once.",
            "stuck-producer" => "A producer that goes on with its next sequence is not refused.",
            "wrong-error" | "wrong-answer" => "Each question gets an answer that fits it.",
            "unanswered" => "Each question is answered while its connection and the process stand.",
            "lost-wakeup" => "A fetch that waits is answered once there is something to tell.",
            "wrong-lookup" => "A lookup by time finds the first record of that time or later.",
            "wrong-timestamp" => "A record has the time that its producer gave, or was told.",
            "zombie-append" => "A producer that was replaced by a newer epoch of itself stores nothing.",
            "epoch-not-raised" => "Each start leads in an epoch above all before it.",
            "repeated-salt" => "Each segment has a salt of its own.",
            "needless-refusal" => "What is there twice may rot once: the broker starts all the same.",
            "false-refusal" => "A disk that did nothing worse than lose its power is started from.",
            "false-halt" => "The process ends by itself only when the disk failed it.",
            "silent-loss" => "Damage to acknowledged data is refused by name, never passed over.",
            "vague-refusal" => "A refusal names the file that is hurt.",
            "loss-not-accepted" => "A loss that the operator names is accepted, once and for all.",
            "recovery-not-idempotent" => {
                "A recovery that is cut short and done again leads to the same state."
            }
            "state-differs" => "A start knows all that was durable before it, and nothing else.",
            "lost-group" => "A group that was acknowledged is there until somebody deletes it.",
            "resurrected-group" => "A group whose deletion was acknowledged does not come back.",
            "generation-lost" => "A generation that somebody was told is never taken back.",
            "generation-repeated" => "A generation has one leader and the same members for ever.",
            "zombie-member" => "Who left a group, or was replaced in it, does not speak for it any more.",
            "two-owners" => "No partition has two owners in a generation of a group.",
            "wrong-owner" => "A member is told what the leader assigned to it in its generation.",
            "lost-assignment" => "An assignment that was told stays known as long as its generation lasts.",
            "needless-rebalance" => {
                "A settled group whose members are heard of in time stays as it is, over restarts too."
            }
            "unsettled" => "Once faults stop, every group comes to rest, and each partition has an owner.",
            "lost-offset" => "A committed offset that was acknowledged is there until somebody deletes it.",
            "offset-went-back" => "A committed offset never goes back to what was overwritten or deleted.",
            "phantom-offset" => "No offset is committed that nobody committed there.",
            "stale-commit" => "Who is not in the generation in force commits nothing.",
            "offset-beyond-end" => "No committed offset lies behind the end of its partition.",
            "not-fenced" => "Whoever was replaced commits nothing, and ends.",
            "false-start" => {
                "Without an answer of the object store an empty disk is not taken for a new one."
            }
            "recovery-point-untrue" => "A loss of the disk takes nothing older than the broker said before.",
            "stop-not-whole" => "A stop that says that the object store has everything tells the truth.",
            "unstored-miscounted" => "When all is stored, the broker counts nothing as not stored.",
            "stored-late" => "A store that answers has, after a bounded time, all that was written before.",
            "restless" => "A broker that nobody asks anything comes to rest.",
            "starved" => "Every partition of a fetch that has records gets its turn.",
            "dangling-object" => "Every object that the newest manifest refers to is there.",
            "forgotten-object" => "What nothing refers to is removed from the object store.",
            "stuck" => "Once faults stop, everything is answered, and new writes are taken.",
            "panic" => "The broker does not break its own assertions.",
            _ => "The broker keeps its promises.",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutant::CATALOGUE;

    #[test]
    fn each_oracle_of_a_planted_bug_says_what_its_promise_is() {
        let promise = |name| Violation { name, detail: String::new(), subject: None }.promise();
        let unknown = promise("no oracle has that name");
        for name in CATALOGUE.iter().flat_map(|bug| bug.oracles) {
            assert_ne!(promise(name), unknown, "{name}");
        }
    }
}
