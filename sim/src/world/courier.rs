//! The way to the object store and back. A request is on its way, done, and answered, and each of these can go wrong on its own:
//! it never arrives, or it is done and nobody hears of it, or it is done long after it was given up.

use evenkeel_core::{
    port::{Event, ObjectError, ObjectErrorKind, ObjectRequest, ObjectResult},
    store::{ObjectKey, perform},
    units::OpId,
};

use crate::{
    probe::Probe,
    trace::{Kind, Lane, Scene},
    violation::Verdict,
    world::{Happening, World},
};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It is done and answered.
    Done,
    /// It never arrives.
    Lost,
    /// It is done, and the answer is lost.
    Unheard,
    /// It is given up, and done later.
    Late,
    /// It is refused: the credentials are being changed.
    Denied,
}

/// A request on its way.
#[derive(Clone, Debug)]
pub(super) struct Call {
    op: OpId,
    incarnation: u64,
    request: ObjectRequest,
    fate: Fate,
    result: Option<ObjectResult>,
    /// The disk of the process that asks, of all that this machine has had.
    disk: u64,
}

impl World {
    pub(super) fn call(&mut self, op: OpId, request: ObjectRequest) {
        self.note_cut(&request);
        let number = self.next_call;
        self.next_call += 1;
        let fate = self.fate(&request);
        let typical = self.shape.store_micros;
        let there = self.courier.between(typical / 2, typical * 2).max(1);
        let back = self.courier.between(1, typical.max(2));
        let (done, answered) = match fate {
            Fate::Late => (there + self.courier.magnitude(1_000, 5_000_000), there),
            Fate::Done | Fate::Lost | Fate::Unheard | Fate::Denied => (there, there + back),
        };
        if fate != Fate::Done {
            self.mark("store fails");
        }
        let what = brief(&request);
        self.tell(&[40, op.0, fate as u64], || {
            let text = format!("{what}: {fate:?}, done after {done} us, answered after {answered} us");
            Scene { failed: fate != Fate::Done, ..Scene::new(Lane::Disk, Kind::Machine, text) }
        });
        let incarnation = self.node.incarnation;
        self.calls.insert(
            number,
            Call { op, incarnation, request, fate, result: None, disk: self.disasters.disks },
        );
        if matches!(fate, Fate::Done | Fate::Unheard | Fate::Late) {
            self.after(done, Happening::CallDone(number));
        }
        self.after(answered, Happening::CallAnswered(number));
    }

    fn fate(&mut self, request: &ObjectRequest) -> Fate {
        if self.winding_down {
            return Fate::Done;
        }
        if self.store_down {
            return if self.courier.chance(100) { Fate::Denied } else { Fate::Lost };
        }
        // Indexes are read rarely.
        let rare = matches!(request, ObjectRequest::Read { key: ObjectKey::Index(_), .. });
        let faults =
            if rare { self.shape.store_faults.saturating_mul(8).min(300) } else { self.shape.store_faults };
        if !self.courier.chance(faults) {
            return Fate::Done;
        }
        match self.courier.below(3) {
            0 => Fate::Lost,
            1 => Fate::Unheard,
            _ => Fate::Late,
        }
    }

    /// The store does it, whether or not the process that asked is still there.
    pub(super) fn call_done(&mut self, number: u64) -> Verdict {
        let Some(call) = self.calls.get_mut(&number) else { return Ok(()) };
        let manifest = match &call.request {
            ObjectRequest::Create { key: key @ ObjectKey::Manifest(_), .. } => Some((*key, call.disk)),
            ObjectRequest::Create { .. }
            | ObjectRequest::NewestManifest
            | ObjectRequest::Read { .. }
            | ObjectRequest::List { .. }
            | ObjectRequest::Remove { .. }
            | ObjectRequest::ReadBatches(_)
            | ObjectRequest::ReadObject(_) => None,
        };
        let commits = manifest.is_some();
        let removes = matches!(call.request, ObjectRequest::Remove { .. });
        let result = perform(self.disk.store(), &call.request);
        let (late, created) = (call.fate == Fate::Late, result.is_ok());
        self.tell(&[41, number, u64::from(created)], || {
            Scene::new(Lane::Disk, Kind::Machine, format!("the object store has done request {number}"))
        });
        if late {
            if created {
                self.mark("store did it late");
            }
            self.calls.remove(&number);
        } else if let Some(call) = self.calls.get_mut(&number) {
            call.result = Some(result);
        }
        if let Some((key, disk)) = manifest.filter(|_| created) {
            self.manifest_landed(key, disk);
        }
        if commits || removes {
            self.check_store_whole()?;
        }
        if commits && created { self.lose_the_disk_perhaps(self.shape.checked_answers, true) } else { Ok(()) }
    }

    pub(super) fn call_answered(&mut self, number: u64) -> Verdict {
        let Some(call) = self.calls.get(&number) else { return Ok(()) };
        let commits = matches!(call.request, ObjectRequest::Create { key: ObjectKey::Manifest(_), .. });
        let often = if call.fate == Fate::Done { 30 } else { 400 };
        if commits && call.incarnation == self.node.incarnation && self.eyes.chance(often) {
            self.check_catches_up()?;
        }
        let Some(call) = self.calls.get(&number) else { return Ok(()) };
        let (op, current) = (call.op, call.incarnation == self.node.incarnation);
        let result = match (call.fate, &call.result) {
            (Fate::Done, Some(result)) => result.clone(),
            (Fate::Done | Fate::Lost | Fate::Unheard | Fate::Late, _) => {
                Err(failed(&call.request, ObjectErrorKind::Unknown, "no answer in time"))
            }
            (Fate::Denied, _) => Err(failed(&call.request, ObjectErrorKind::Denied, "403 Forbidden")),
        };
        if call.fate != Fate::Late {
            self.calls.remove(&number);
        } else if let Some(call) = self.calls.get_mut(&number) {
            // What is done later is nobody's any more.
            call.incarnation = u64::MAX;
        }
        if current {
            self.enqueue(Event::Object(op, result));
        }
        Ok(())
    }

    pub(super) fn store_goes(&mut self, down: bool) {
        if self.winding_down {
            return;
        }
        self.mark("store away or back");
        self.tell(&[42, u64::from(down)], || {
            let text = if down { "the object store is away" } else { "the object store is back" };
            Scene { failed: down, ..Scene::new(Lane::Disk, Kind::Machine, text) }
        });
        self.store_down = down;
        let micros = self.courier.magnitude(10_000, 5_000_000);
        self.after(micros, Happening::StoreDown(!down));
    }

    /// A copy of the live broker, to which each request under way is answered as it will be here.
    pub(super) fn copy_as_fated(&self) -> Option<Probe> {
        let broker = self.node.broker()?.clone();
        let ours = self.calls.values().filter(|call| call.incarnation == self.node.incarnation);
        let fated = ours.map(|call| {
            let result = match call.fate {
                Fate::Done => call.result.clone(),
                Fate::Lost | Fate::Unheard | Fate::Late | Fate::Denied => {
                    Some(Err(failed(&call.request, ObjectErrorKind::Unknown, "no answer in time")))
                }
            };
            (call.op, call.request.clone(), result)
        });
        let disk = self.disk.without_faults();
        Some(Probe::adopt(broker, disk, self.time(), self.node.underway(), fated.collect()))
    }

    /// Requests under way, for a copy of the broker to go on with: with their result, if they are done.
    pub(super) fn calls_underway(&self) -> Vec<(OpId, ObjectRequest, Option<ObjectResult>)> {
        let ours = self.calls.values().filter(|call| call.incarnation == self.node.incarnation);
        ours.map(|call| (call.op, call.request.clone(), call.result.clone())).collect()
    }
}

fn key_of(request: &ObjectRequest) -> Option<ObjectKey> {
    match request {
        ObjectRequest::NewestManifest | ObjectRequest::List { .. } => None,
        ObjectRequest::Read { key, .. }
        | ObjectRequest::Create { key, .. }
        | ObjectRequest::Remove { key } => Some(*key),
        ObjectRequest::ReadBatches(read) => Some(ObjectKey::Data(read.object.name)),
        ObjectRequest::ReadObject(object) => Some(ObjectKey::Data(object.name)),
    }
}

fn failed(request: &ObjectRequest, kind: ObjectErrorKind, detail: &str) -> ObjectError {
    ObjectError { kind, key: key_of(request), detail: detail.to_string() }
}

fn brief(request: &ObjectRequest) -> String {
    match request {
        ObjectRequest::NewestManifest => String::from("asks for the newest manifest"),
        ObjectRequest::Read { key, .. } => format!("reads {key}"),
        ObjectRequest::Create { key, .. } => format!("creates {key}"),
        ObjectRequest::List { kind, after: None } => format!("lists {}", kind.folder()),
        ObjectRequest::List { after: Some(after), .. } => format!("lists what comes behind {after}"),
        ObjectRequest::Remove { key } => format!("removes {key}"),
        ObjectRequest::ReadObject(object) => format!("reads all of {}", object.name),
        ObjectRequest::ReadBatches(read) => {
            format!("reads partition {} from {} in {}", read.partition, read.from, read.object.name)
        }
    }
}

/// What a copy of the broker is told while the store is away.
pub(crate) fn no_answer((op, request, _): (OpId, ObjectRequest, Option<ObjectResult>)) -> Event {
    Event::Object(op, Err(failed(&request, ObjectErrorKind::Unknown, "no answer in time")))
}

/// What a copy of the broker is to be told of a request that was under way.
pub(crate) fn come_true(
    store: &dyn evenkeel_core::port::ObjectStore,
    (op, request, result): (OpId, ObjectRequest, Option<ObjectResult>),
) -> Event {
    Event::Object(op, result.unwrap_or_else(|| perform(store, &request)))
}
