use alloc::vec::Vec;

use super::*;

const NOW: Timestamp = Timestamp(1_000);

/// Pieces of ten bytes and one offset, with these times; where the partition begins then, and what went.
fn after(age: Option<u64>, bytes: Option<u64>, times: &[i64]) -> (i64, u64) {
    let kept = Kept::of(&TopicConfig::default(), age.map(Duration::from_millis), bytes, NOW);
    let ends = 1..;
    let pieces: Vec<Piece> = ends
        .zip(times)
        .map(|(end, newest)| Piece { end: Offset(end), bytes: 10, newest: Timestamp(*newest) })
        .collect();
    let all = pieces.iter().map(|piece| piece.bytes).sum();
    gone(kept, || all, pieces.into_iter()).map_or((0, 0), |(log_start, bytes)| (log_start.0, bytes))
}

#[test]
fn what_is_older_goes_and_what_is_just_as_old_stays() {
    assert_eq!(after(None, None, &[1, 2, 3]), (0, 0));
    assert_eq!(after(Some(100), None, &[]), (0, 0));
    assert_eq!(after(Some(100), None, &[1, 899, 900, 901]), (2, 20));
    assert_eq!(after(Some(0), None, &[1, 999, 1_000]), (2, 20));
    assert_eq!(after(Some(0), None, &[1, 999]), (2, 20), "all of it");
    assert_eq!(after(Some(u64::MAX), None, &[i64::MIN, 1]), (0, 0), "longer than any clock counts");
}

#[test]
fn a_young_piece_keeps_all_behind_it() {
    assert_eq!(after(Some(100), None, &[1, 950, 2, 3]), (1, 10));
    assert_eq!(after(Some(100), None, &[2_000, 1]), (0, 0), "one of the future too");
}

#[test]
fn a_piece_without_a_time_goes_with_the_next_that_has_one() {
    assert_eq!(after(Some(100), None, &[-1, -1]), (0, 0));
    assert_eq!(after(Some(100), None, &[-1, 5, -1, 950]), (2, 20));
    assert_eq!(after(Some(100), None, &[-1, 950]), (0, 0));
}

#[test]
fn at_least_the_bytes_stay_that_are_to_be_kept() {
    assert_eq!(after(None, Some(20), &[950, 950, 950, 950]), (2, 20));
    assert_eq!(after(None, Some(21), &[950, 950, 950, 950]), (1, 10));
    assert_eq!(after(None, Some(40), &[950, 950, 950, 950]), (0, 0));
    assert_eq!(after(None, Some(41), &[950, 950, 950, 950]), (0, 0));
    assert_eq!(after(None, Some(0), &[950, -1, 950]), (3, 30));
}

#[test]
fn either_bound_is_enough() {
    assert_eq!(after(Some(100), Some(30), &[1, 2, 3, 950]), (3, 30), "older, though fewer stay");
    assert_eq!(after(Some(100), Some(10), &[1, 950, 2, 3]), (3, 30), "more, though younger");
}

#[test]
fn a_topic_says_otherwise() {
    let of = |ms, bytes| {
        let topic = TopicConfig { retention_ms: ms, retention_bytes: bytes, ..TopicConfig::default() };
        Kept::of(&topic, Some(Duration::from_millis(7)), Some(8), NOW)
    };
    assert_eq!(of(None, None), Kept { since: Some(Timestamp(993)), bytes: Some(8) });
    assert_eq!(of(Some(1), Some(2)), Kept { since: Some(Timestamp(999)), bytes: Some(2) });
    assert!(of(Some(-1), Some(-1)).is_everything());
}
