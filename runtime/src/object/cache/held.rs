//! The extents that are kept or on their way, the order in which they were used, and the readers that are followed.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Condvar, Mutex},
};

use bytes::Bytes;
use evenkeel_core::store::{ObjectName, StoredObject};

use crate::object::cache::{AHEAD_AT_ONCE, BLOCK_BYTES, Flight, Range};

/// What is read ahead of a reader in one GET: so much at first, then twice as much each time, up to the second or what it reads at once,
/// whichever is more.
const WINDOW_BYTES_MIN: u64 = 1 << 20;
const WINDOW_BYTES_MAX: u64 = 8 << 20;
/// Of the bound, what one GET that reads ahead may take: a reader has up to two windows, one that it reads and one to come.
const WINDOW_SHARE: u64 = 4;
/// Of the bound, what may be there unread: more would drive out what others have read.
const UNREAD_SHARE: u64 = 2;
/// Readers that are followed. Who has not read for longest is forgotten first.
const READERS_MAX: usize = 64;

/// An object, and the length that it has for who asks. Two that do not agree share nothing, and one of them finds that out.
type Id = (ObjectName, u64);

fn id(object: &StoredObject) -> Id {
    (object.name, object.len)
}

pub(super) struct Held {
    bytes_max: u64,
    /// By object and first byte.
    extents: BTreeMap<(Id, u64), Extent>,
    /// When those that are here were last used.
    order: BTreeMap<u64, (Id, u64)>,
    clock: u64,
    /// Bytes of extents that are here, and of those on their way.
    here: u64,
    coming: u64,
    /// Of both, what was read ahead and nobody has asked for yet.
    unread: u64,
    /// GETs on their way that read ahead.
    ahead: usize,
    readers: VecDeque<Reader>,
}

struct Extent {
    range: Range,
    unread: bool,
    content: Content,
}

enum Content {
    Coming(Arc<Flight>),
    Here { bytes: Bytes, used: u64 },
}

/// Somebody who may go on where it was last.
struct Reader {
    of: Id,
    /// Behind what it has read.
    at: u64,
    window: u64,
    /// Behind what was read ahead for it.
    ahead: u64,
}

/// What there is of a range, at its beginning.
pub(super) enum Found {
    Here {
        extent: Range,
        bytes: Bytes,
    },
    Coming(Arc<Flight>),
    /// The caller is to read it.
    Missing(Arc<Flight>),
    /// It is not there and cannot be kept.
    NoRoom,
}

fn block_of(at: u64) -> u64 {
    at - at % BLOCK_BYTES
}

fn block_end(at: u64, object: &StoredObject) -> u64 {
    at.next_multiple_of(BLOCK_BYTES).min(object.len)
}

impl Held {
    pub(super) fn new(bytes_max: u64) -> Held {
        Held {
            bytes_max,
            extents: BTreeMap::new(),
            order: BTreeMap::new(),
            clock: 0,
            here: 0,
            coming: 0,
            unread: 0,
            ahead: 0,
            readers: VecDeque::new(),
        }
    }

    /// The extent that has the first byte of a range, or a flight for all that is missing up to the next extent.
    pub(super) fn find(&mut self, range: Range) -> Found {
        let of = id(&range.object);
        let at = match self.extent_at(of, range.from) {
            None => {
                let missing = Range {
                    from: block_of(range.from),
                    upto: self.next_extent(of, range.from).min(block_end(range.upto, &range.object)),
                    ..range
                };
                return self.depart(missing, false).map_or(Found::NoRoom, Found::Missing);
            }
            Some(at) => at,
        };
        let extent = self.extents.get_mut(&(of, at)).expect("it was just found");
        if extent.unread {
            extent.unread = false;
            self.unread -= extent.range.len();
        }
        match &mut extent.content {
            Content::Coming(flight) => Found::Coming(Arc::clone(flight)),
            Content::Here { bytes, used } => {
                self.order.remove(used);
                self.clock += 1;
                *used = self.clock;
                self.order.insert(*used, (of, at));
                Found::Here { extent: extent.range, bytes: bytes.clone() }
            }
        }
    }

    /// First byte of the extent that has this one.
    fn extent_at(&self, of: Id, at: u64) -> Option<u64> {
        let (&(same, from), extent) = self.extents.range(..=(of, at)).next_back()?;
        (same == of && at < extent.range.upto).then_some(from)
    }

    fn next_extent(&self, of: Id, behind: u64) -> u64 {
        let next = self.extents.range((of, behind)..).next();
        next.filter(|((same, _), _)| *same == of).map_or(u64::MAX, |((_, from), _)| *from)
    }

    /// Makes room for an extent that is not there. `None`: it would never fit, or only once others have come.
    fn depart(&mut self, range: Range, ahead: bool) -> Option<Arc<Flight>> {
        if self.coming + range.len() > self.bytes_max {
            return None;
        }
        while self.here + self.coming + range.len() > self.bytes_max {
            let (_, &oldest) = self.order.first_key_value().expect("what is not coming is here");
            self.remove(oldest);
        }
        self.coming += range.len();
        if ahead {
            self.unread += range.len();
            self.ahead += 1;
        }
        let flight = Arc::new(Flight { range, ahead, landing: Mutex::new(None), landed: Condvar::new() });
        let extent = Extent { range, unread: ahead, content: Content::Coming(Arc::clone(&flight)) };
        let before = self.extents.insert((id(&range.object), range.from), extent);
        assert!(before.is_none(), "an extent is read once");
        Some(flight)
    }

    /// A flight has ended: with all that was asked for, or its extent goes.
    pub(super) fn landed(&mut self, flight: &Flight, whole: Option<Bytes>) {
        let range = flight.range;
        let at = (id(&range.object), range.from);
        self.ahead -= usize::from(flight.ahead);
        let Some(bytes) = whole else {
            self.remove(at);
            return;
        };
        self.coming -= range.len();
        self.here += range.len();
        self.clock += 1;
        self.order.insert(self.clock, at);
        let extent = self.extents.get_mut(&at).expect("one on its way is never removed");
        extent.content = Content::Here { bytes, used: self.clock };
    }

    fn remove(&mut self, at: (Id, u64)) {
        let extent = self.extents.remove(&at).expect("it is there");
        let len = extent.range.len();
        if extent.unread {
            self.unread -= len;
        }
        match extent.content {
            Content::Coming(_) => self.coming -= len,
            Content::Here { used, .. } => {
                self.here -= len;
                self.order.remove(&used);
            }
        }
    }

    /// Drops what is here of an object. What is on its way comes anew from the store.
    pub(super) fn forget(&mut self, name: ObjectName) {
        let of_it = self.extents.range(((name, 0), 0)..=((name, u64::MAX), u64::MAX));
        let here: Vec<_> = of_it
            .filter(|(_, extent)| matches!(extent.content, Content::Here { .. }))
            .map(|(at, _)| *at)
            .collect();
        here.into_iter().for_each(|at| self.remove(at));
    }

    /// Somebody reads that. If it goes on where it was, and has less than half a window before it: what to read ahead.
    pub(super) fn follow(&mut self, range: Range) -> Option<Arc<Flight>> {
        let of = id(&range.object);
        let at_once = range.len().next_multiple_of(BLOCK_BYTES);
        let window_max = block_of(WINDOW_BYTES_MAX.max(at_once).min(self.bytes_max / WINDOW_SHARE));
        let goes_on = self.readers.iter().position(|reader| reader.of == of && reader.at == range.from);
        let Some(known) = goes_on else {
            // Not twice in one place: two that arrive there are followed as one.
            self.readers.retain(|reader| reader.of != of || reader.at != range.upto);
            self.readers.push_back(Reader { of, at: range.upto, window: 0, ahead: 0 });
            if self.readers.len() > READERS_MAX {
                self.readers.pop_front();
            }
            return None;
        };
        let mut reader = self.readers.remove(known).expect("it was just found");
        reader.window = (reader.window * 2).max(WINDOW_BYTES_MIN).max(at_once).min(window_max);
        reader.at = range.upto;
        let flight = self.go_ahead(&mut reader, &range.object);
        self.readers.push_back(reader);
        flight
    }

    fn go_ahead(&mut self, reader: &mut Reader, object: &StoredObject) -> Option<Arc<Flight>> {
        // What it reads now it reads itself.
        let end = block_end(reader.at, object);
        let mut from = reader.ahead.max(end);
        if self.ahead >= AHEAD_AT_ONCE || from - end > reader.window / 2 {
            return None;
        }
        let upto = (from + reader.window).min(object.len);
        while let Some(there) = self.extent_at(reader.of, from) {
            from = self.extents[&(reader.of, there)].range.upto;
        }
        if from >= upto {
            reader.ahead = from;
            return None;
        }
        let upto = upto.min(self.next_extent(reader.of, from));
        let range = Range { object: *object, from, upto };
        if self.unread + range.len() > self.bytes_max / UNREAD_SHARE {
            return None;
        }
        let flight = self.depart(range, true)?;
        reader.ahead = upto;
        Some(flight)
    }
}

#[cfg(test)]
mod look;
