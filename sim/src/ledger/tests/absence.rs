//! An answer that says that something is not there is a promise too: it does not come back.

use super::*;

/// Somebody else has asked for the deletion and has not been answered.
fn deletion_under_way() -> Talk {
    let mut talk = Talk::new();
    talk.ledger.sent(ConnId(2), Tag(0), Asked::Delete(TOPIC));
    talk
}

#[test]
fn a_topic_may_be_there_until_somebody_is_told_that_it_is_not() {
    let mut talk = deletion_under_way();
    assert_eq!(talk.told(Asked::Metadata(None), &metadata(&[(TOPIC, "t", 1)])), "");
    let gone = fetched(FetchedPartition { error_code: 100, ..FetchedPartition::default() });
    assert_eq!(talk.told(Asked::Fetch(KEY, 0, 0, 1), &gone), "");
    assert_eq!(talk.told(Asked::Metadata(None), &metadata(&[(TOPIC, "t", 1)])), "resurrected-topic");
}

#[test]
fn a_topic_that_a_list_of_all_leaves_out_is_gone() {
    let mut talk = deletion_under_way();
    assert_eq!(talk.told(Asked::Metadata(None), &metadata(&[])), "");
    assert_eq!(talk.told(Asked::Metadata(None), &metadata(&[(TOPIC, "t", 1)])), "resurrected-topic");
}

#[test]
fn a_producer_is_told_of_an_absence_as_a_consumer_is() {
    let mut talk = deletion_under_way();
    assert_eq!(talk.produce(1, &plain(1), (3, -1, -1)), "");
    assert_eq!(talk.told(Asked::Metadata(None), &metadata(&[(TOPIC, "t", 1)])), "resurrected-topic");
}
