use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use evenkeel_core::port::ObjectEntry;

use super::*;

/// How a store can fail its users.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// Looks, and then writes. Everyone looks before the first one writes.
    CheckThenWrite,
    /// Overwrites what is there.
    Overwrites,
    /// Shows the bytes of one that lost.
    ShowsALoser,
    /// A creation is there later, or nowhere.
    Forgets,
    /// Removes nothing.
    Keeps,
    ListsLate,
    ListsRemoved,
    ReadsPastTheEnd,
    ShiftsRanges,
    LetsNobody,
    Fails(ObjectErrorKind),
}

struct Store {
    fault: Fault,
    looked: Barrier,
    created: AtomicUsize,
    objects: Mutex<BTreeMap<ObjectKey, Bytes>>,
}

impl Store {
    fn new(fault: Fault) -> Store {
        Store {
            fault,
            looked: Barrier::new(CONTENDERS),
            created: AtomicUsize::new(0),
            objects: Mutex::default(),
        }
    }
}

fn error(kind: ObjectErrorKind, key: ObjectKey) -> ObjectError {
    ObjectError { kind, key: Some(key), detail: String::from("as planted") }
}

impl ObjectStore for Store {
    fn create(&self, key: ObjectKey, data: &[Bytes]) -> Result<(), ObjectError> {
        let nth = self.created.fetch_add(1, Ordering::Relaxed);
        let data = Bytes::from(data.concat());
        let there = || self.objects.lock().expect("no panic").contains_key(&key);
        let refused = Err(error(ObjectErrorKind::Exists, key));
        match self.fault {
            Fault::CheckThenWrite if nth < CONTENDERS => {
                let seen = there();
                self.looked.wait();
                if seen {
                    return refused;
                }
            }
            Fault::Overwrites if nth >= CONTENDERS => {}
            Fault::LetsNobody => return refused,
            Fault::Fails(kind) if nth == CONTENDERS / 2 => return Err(error(kind, key)),
            Fault::None
            | Fault::CheckThenWrite
            | Fault::Overwrites
            | Fault::ShowsALoser
            | Fault::Forgets
            | Fault::Keeps
            | Fault::ListsLate
            | Fault::ListsRemoved
            | Fault::ReadsPastTheEnd
            | Fault::ShiftsRanges
            | Fault::Fails(_) => {
                let mut objects = self.objects.lock().expect("no panic");
                return match objects.entry(key) {
                    Entry::Vacant(place) => {
                        place.insert(data);
                        Ok(())
                    }
                    Entry::Occupied(mut place) => {
                        if self.fault == Fault::ShowsALoser {
                            place.insert(data);
                        }
                        refused
                    }
                };
            }
        }
        self.objects.lock().expect("no panic").insert(key, data);
        Ok(())
    }

    fn read_at(&self, key: ObjectKey, from: u64, len: u64) -> Result<Bytes, ObjectError> {
        let whole = self.read(key, u64::MAX)?;
        if self.fault == Fault::ReadsPastTheEnd && from >= whole.len() as u64 {
            return Ok(Bytes::from_static(b"x"));
        }
        let shift = u64::from(self.fault == Fault::ShiftsRanges);
        let at = |place: u64| usize::try_from(place).expect("small").min(whole.len());
        Ok(whole.slice(at(from + shift)..at(from + shift + len)))
    }

    fn read(&self, key: ObjectKey, _: u64) -> Result<Bytes, ObjectError> {
        let found = self.objects.lock().expect("no panic").get(&key).cloned();
        match found {
            Some(bytes) if self.fault != Fault::Forgets => Ok(bytes),
            Some(_) | None => Err(error(ObjectErrorKind::NotFound, key)),
        }
    }

    fn list(&self, _: ObjectKind, _: Option<ObjectKey>) -> Result<Vec<ObjectEntry>, ObjectError> {
        if self.fault == Fault::ListsLate {
            return Ok(Vec::new());
        }
        if self.fault == Fault::ListsRemoved {
            return Ok(vec![ObjectEntry { key: ObjectKey::Probe(7), len: mark(0).len() as u64 }]);
        }
        let objects = self.objects.lock().expect("no panic");
        Ok(objects.iter().map(|(&key, data)| ObjectEntry { key, len: data.len() as u64 }).collect())
    }

    fn remove(&self, key: ObjectKey) -> Result<(), ObjectError> {
        if self.fault != Fault::Keeps {
            self.objects.lock().expect("no panic").remove(&key);
        }
        Ok(())
    }
}

#[test]
fn a_store_that_keeps_its_promises_is_trusted_and_left_empty() {
    let store = Store::new(Fault::None);
    assert_eq!(probe(&store, 7), Ok(()));
    assert!(store.objects.lock().expect("no panic").is_empty());
    assert_eq!(store.created.load(Ordering::Relaxed), CONTENDERS + 1);
}

#[test]
fn each_broken_promise_is_found_and_said() {
    for (fault, words) in [
        (Fault::CheckThenWrite, "8 were let through"),
        (Fault::Overwrites, "created again while it was there"),
        (Fault::ShowsALoser, "but reads"),
        (Fault::Forgets, "not there a moment later"),
        (Fault::Keeps, "can still be read"),
        (Fault::ListsLate, "a listing does not have it"),
        (Fault::ListsRemoved, "a listing still has it"),
        (Fault::ReadsPastTheEnd, "behind the end"),
        (Fault::ShiftsRanges, "reads as other bytes"),
        (Fault::LetsNobody, "none was let through"),
    ] {
        match probe(&Store::new(fault), 7) {
            Err(Doubt::Broken(promise)) => assert!(promise.contains(words), "{promise}, not {words}"),
            other => panic!("{words}: {other:?}"),
        }
    }
}

#[test]
fn a_failure_is_no_verdict() {
    for kind in [ObjectErrorKind::Unknown, ObjectErrorKind::Denied] {
        let store = Store::new(Fault::Fails(kind));
        assert_eq!(probe(&store, 7), Err(Doubt::Failed(error(kind, ObjectKey::Probe(7)))));
        assert!(store.objects.lock().expect("no panic").is_empty(), "nothing is left behind");
    }
}
