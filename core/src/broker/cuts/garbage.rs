//! Objects that nothing refers to any more, and how they go.
//!
//! 1. What a committed manifest does not refer to, no later one ever will, whoever commits it: each begins with what the one before
//!    says. So a removal is safe even when it is carried out late, or by a process that was replaced meanwhile.
//! 2. It waits for [`StoreConfig::garbage_delay`](crate::config::StoreConfig::garbage_delay), for whoever reads by an older manifest.
//! 3. What a process that ended left behind is looked for once, by its successor: of epochs before its own, only what the newest
//!    manifest does not refer to. Of its own epoch it knows.
//! 4. The newest manifests stay. A number that is free again could be taken by a process that has slept since; so whoever has created
//!    a manifest asks whether there are any behind it, before it counts.

use alloc::{
    collections::{BTreeSet, VecDeque},
    vec::Vec,
};

use super::{Cuts, tell_failure};
use crate::{
    marks::{Mark, mark},
    planted::{Planted, planted},
    port::{ObjectKind, ObjectReply, ObjectRequest, ObjectResult},
    store::{ObjectKey, ObjectName},
    turn::{CutOp, Purpose, Turn},
    units::Instant,
};

/// The folders in which leftovers are looked for.
const FOLDERS: [ObjectKind; 4] =
    [ObjectKind::Manifest, ObjectKind::State, ObjectKind::Index, ObjectKind::Data];

/// What is to go.
#[derive(Clone, Debug)]
pub(super) struct Garbage {
    /// In the order of their times.
    due: VecDeque<(Instant, ObjectKey)>,
    removing: Option<ObjectKey>,
    failures: u32,
    hold_until: Option<Instant>,
    search: Search,
}

#[derive(Clone, Copy, Debug)]
enum Search {
    /// Once the epoch is taken.
    Later,
    /// Of that folder, at that time.
    At(Instant, usize),
    Listing(usize),
    Done,
}

impl Garbage {
    pub(super) fn new() -> Garbage {
        Garbage { due: VecDeque::new(), removing: None, failures: 0, hold_until: None, search: Search::Later }
    }

    /// Nothing refers to that any more.
    pub(super) fn add(&mut self, at: Instant, key: ObjectKey) {
        self.due.push_back((at, key));
    }

    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let removal = match (&self.removing, self.due.front()) {
            (None, Some((at, _))) => Some((*at).max(self.hold_until.unwrap_or_default())),
            _ => None,
        };
        let search = match self.search {
            Search::At(at, _) => Some(at),
            Search::Later | Search::Listing(_) | Search::Done => None,
        };
        removal.into_iter().chain(search).min()
    }
}

impl Cuts {
    /// Begins to be garbage now.
    pub(super) fn discard(&mut self, key: ObjectKey, turn: &Turn<'_>) {
        self.garbage.add(turn.now.mono.after(self.config.garbage_delay), key);
    }

    /// While the epoch is held, and no stop is waited for.
    pub(super) fn go_on_garbage(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        match self.garbage.search {
            Search::Later => self.garbage.search = Search::At(now.after(self.config.garbage_delay), 0),
            Search::At(at, folder) if at <= now => {
                self.garbage.search = Search::Listing(folder);
                let request = ObjectRequest::List { kind: FOLDERS[folder], after: None };
                turn.object(Purpose::Cut(CutOp::Leftovers), request);
            }
            Search::At(..) | Search::Listing(_) | Search::Done => {}
        }
        if self.garbage.removing.is_none()
            && self.garbage.hold_until.is_none_or(|until| until <= now)
            && self.garbage.due.front().is_some_and(|(at, _)| *at <= now)
            && let Some((_, key)) = self.garbage.due.pop_front()
        {
            mark(Mark::GarbageRemoved);
            self.garbage.removing = Some(key);
            if planted(Planted::GarbageForgotten) {
                self.garbage.removing = None;
                return;
            }
            turn.object(Purpose::Cut(CutOp::Remove), ObjectRequest::Remove { key });
        }
    }

    pub(super) fn removed(&mut self, result: ObjectResult, turn: &mut Turn<'_>) {
        let garbage = &mut self.garbage;
        let Some(key) = garbage.removing.take() else { unreachable!("one at a time is removed") };
        match result {
            Ok(_) => garbage.failures = 0,
            Err(error) => {
                mark(Mark::GarbageStays);
                garbage.failures += 1;
                tell_failure(garbage.failures, &error, turn);
                garbage.hold_until = Some(turn.now.mono.after(turn.backoff(garbage.failures)));
                garbage.due.push_front((turn.now.mono, key));
            }
        }
    }

    pub(super) fn leftovers(&mut self, result: ObjectResult, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        let Search::Listing(folder) = self.garbage.search else { unreachable!("a listing is waited for") };
        match result {
            Ok(ObjectReply::Keys(keys)) => {
                let left = self.left_behind(&keys);
                if !left.is_empty() {
                    mark(Mark::LeftoversFound);
                }
                for key in left.into_iter().rev() {
                    self.garbage.due.push_front((now, key));
                }
                let next = folder + 1;
                self.garbage.search = if next < FOLDERS.len() { Search::At(now, next) } else { Search::Done };
            }
            Ok(_) => unreachable!("each request has a reply of its kind"),
            Err(error) => {
                tell_failure(1, &error, turn);
                self.garbage.search = Search::At(now.after(self.config.garbage_delay), folder);
            }
        }
    }

    /// Which of these objects nobody will ever refer to.
    fn left_behind(&self, keys: &[ObjectKey]) -> Vec<ObjectKey> {
        let Some(newest) = &self.newest else { return Vec::new() };
        let mut referred: BTreeSet<ObjectName> = self.archive.referred();
        let skipped = usize::from(newest.delta.is_some() && planted(Planted::DeltaBaseLeftOver));
        referred.extend(newest.states().skip(skipped).map(|state| state.name));
        referred.extend(newest.indexes.iter().map(|index| index.name));
        let former = |name: ObjectName| {
            (name.epoch < newest.epoch || planted(Planted::LeftoversOfThisEpoch)) && !referred.contains(&name)
        };
        let waits: BTreeSet<ObjectKey> = self.garbage.due.iter().map(|(_, key)| *key).collect();
        let left = keys.iter().copied().filter(|key| !waits.contains(key)).filter(|key| match *key {
            ObjectKey::Manifest(number) => number + self.config.manifests_kept <= newest.number,
            ObjectKey::Data(name) | ObjectKey::State(name) | ObjectKey::Index(name) => former(name),
            ObjectKey::Probe(_) => false,
        });
        left.collect()
    }
}
