//! What every store must do. Run against an empty one.

use std::{
    sync::Barrier,
    thread::{Builder, scope},
};

use super::*;
use crate::object::probe::probe;

const MEBIBYTE: usize = 1 << 20;

fn name(number: u32) -> ObjectName {
    ObjectName { epoch: Epoch(3), number, writer: 0xabcd }
}

fn kind<T: std::fmt::Debug>(outcome: Result<T, ObjectError>) -> ObjectErrorKind {
    outcome.expect_err("it must fail").kind
}

/// `many` objects are listed: with more than a thousand of them a listing takes several requests.
pub(super) fn conforms(store: &dyn ObjectStore, many: u32) {
    empty(store);
    whole(store);
    parts(store);
    races(store);
    listings(store, many);
    removals(store);
    assert_eq!(probe(store, 0x1234), Ok(()));
    assert_eq!(store.list(ObjectKind::Probe, None), Ok(Vec::new()));
}

fn empty(store: &dyn ObjectStore) {
    for kind in KINDS {
        assert_eq!(store.list(kind, None), Ok(Vec::new()));
    }
    let newest = perform(store, &ObjectRequest::NewestManifest);
    assert_eq!(newest, Ok(ObjectReply::Manifest(None)));
}

fn whole(store: &dyn ObjectStore) {
    let key = ObjectKey::State(name(1));
    assert_eq!(kind(store.read(key, 100)), ObjectErrorKind::NotFound);
    assert_eq!(kind(store.read_at(key, 0, 1)), ObjectErrorKind::NotFound);
    // Gathered, with nothing in some slices.
    let slices = ["", "one ", "", "two", ""].map(|text| Bytes::from_static(text.as_bytes()));
    assert_eq!(store.create(key, &slices), Ok(()));
    assert_eq!(store.read(key, 100), Ok(Bytes::from_static(b"one two")));
    assert_eq!(store.read(key, 7), Ok(Bytes::from_static(b"one two")));
    assert_eq!(kind(store.read(key, 6)), ObjectErrorKind::Damaged);
    assert_eq!(kind(store.create(key, &slices)), ObjectErrorKind::Exists);
    assert_eq!(kind(store.create(key, &[Bytes::from_static(b"other")])), ObjectErrorKind::Exists);
    assert_eq!(store.read(key, 100), Ok(Bytes::from_static(b"one two")));

    let nothing = ObjectKey::State(name(2));
    assert_eq!(store.create(nothing, &[]), Ok(()));
    assert_eq!(store.read(nothing, 0), Ok(Bytes::new()));
    assert_eq!(store.read_at(nothing, 0, 5), Ok(Bytes::new()));
}

fn parts(store: &dyn ObjectStore) {
    let key = ObjectKey::Data(name(1));
    let large: Bytes =
        (0..5 * MEBIBYTE + 17).map(|at| u8::try_from(at * 31 % 251).expect("below 251")).collect();
    assert_eq!(store.create(key, &[large.slice(..MEBIBYTE), large.slice(MEBIBYTE..)]), Ok(()));
    assert!(store.read(key, u64::MAX) == Ok(large.clone()), "the whole");
    let end = large.len();
    for (from, upto) in [(0, 1), (5, 4096), (MEBIBYTE - 3, 3 * MEBIBYTE), (end - 1, end), (0, end)] {
        let read = store.read_at(key, from as u64, (upto - from) as u64);
        assert!(read == Ok(large.slice(from..upto)), "{from}..{upto}");
    }
    let over = store.read_at(key, end as u64 - 4, 1000);
    assert_eq!(over, Ok(large.slice(end - 4..)));
    assert_eq!(store.read_at(key, end as u64, 10), Ok(Bytes::new()));
    assert_eq!(store.read_at(key, u64::MAX / 4, 10), Ok(Bytes::new()));
    assert_eq!(store.read_at(key, 5, 0), Ok(Bytes::new()));
}

/// Of several creations at once one wins, and it is the winner's bytes that are there.
fn races(store: &dyn ObjectStore) {
    for number in 1..=20 {
        let (key, together) = (ObjectKey::Manifest(number), Barrier::new(4));
        let create = |contender: u8| {
            together.wait();
            store.create(key, &[Bytes::from(vec![contender; 1000])])
        };
        let create = &create;
        let outcomes: Vec<_> = scope(|threads| {
            let contenders: Vec<_> = (0..4)
                .map(|contender| Builder::new().spawn_scoped(threads, move || create(contender)))
                .collect();
            contenders.into_iter().map(|thread| thread.expect("a thread").join().expect("no panic")).collect()
        });
        let won: Vec<_> = (0..4_u8).filter(|&contender| outcomes[usize::from(contender)].is_ok()).collect();
        assert_eq!(won.len(), 1, "{outcomes:?}");
        assert_eq!(store.read(key, 1000), Ok(Bytes::from(vec![won[0]; 1000])));
        for lost in outcomes.into_iter().filter(Result::is_err) {
            assert_eq!(kind(lost), ObjectErrorKind::Exists);
        }
    }
    let newest = perform(store, &ObjectRequest::NewestManifest);
    assert!(matches!(newest, Ok(ObjectReply::Manifest(Some((20, _))))), "{newest:?}");
}

fn listings(store: &dyn ObjectStore, many: u32) {
    let create = |worker: u32| {
        for number in (1..=many).filter(|number| number % 4 == worker) {
            let content = Bytes::from(vec![b'x'; number as usize % 7]);
            assert_eq!(store.create(ObjectKey::Index(name(number)), &[content]), Ok(()));
        }
    };
    let create = &create;
    scope(|threads| {
        for worker in 0..4 {
            Builder::new().spawn_scoped(threads, move || create(worker)).expect("a thread");
        }
    });
    let all: Vec<_> = (1..=many)
        .map(|number| ObjectEntry { key: ObjectKey::Index(name(number)), len: u64::from(number % 7) })
        .collect();
    assert!(store.list(ObjectKind::Index, None) == Ok(all.clone()), "all, in order");
    for behind in [1, many / 2, many - 1, many] {
        let listed = store.list(ObjectKind::Index, Some(ObjectKey::Index(name(behind))));
        assert!(listed == Ok(all[behind as usize..].to_vec()), "behind {behind}");
    }
    let missing = ObjectKey::Index(ObjectName { epoch: Epoch(2), number: u32::MAX, writer: u64::MAX });
    assert!(store.list(ObjectKind::Index, Some(missing)) == Ok(all), "behind one that is not there");
    assert_eq!(store.list(ObjectKind::Manifest, None).expect("it lists").len(), 20);
    assert_eq!(store.list(ObjectKind::Manifest, Some(ObjectKey::Manifest(18))).expect("it lists").len(), 2);
    assert_eq!(store.list(ObjectKind::State, None).expect("it lists").len(), 2);
    assert_eq!(store.list(ObjectKind::Data, None).expect("it lists").len(), 1);
}

fn removals(store: &dyn ObjectStore) {
    let key = ObjectKey::Data(name(1));
    assert_eq!(store.remove(key), Ok(()));
    assert_eq!(store.remove(key), Ok(()), "one that is not there is fine");
    assert_eq!(kind(store.read(key, 1)), ObjectErrorKind::NotFound);
    assert_eq!(kind(store.read_at(key, 0, 1)), ObjectErrorKind::NotFound);
    assert_eq!(store.list(ObjectKind::Data, None), Ok(Vec::new()));
    assert_eq!(store.create(key, &[Bytes::from_static(b"anew")]), Ok(()));
    assert_eq!(store.read(key, 4), Ok(Bytes::from_static(b"anew")));
}
