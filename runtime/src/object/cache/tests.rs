use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use evenkeel_core::{
    port::ObjectReply,
    store::{
        ObjectName,
        data::{Footer, FooterBatch, FooterPart},
    },
    units::{Epoch, Lsn, Offset, PartitionId, ProducerId, Timestamp},
    wire::batch::{BatchHeader, CRC_COVERS_FROM, HEADER_BYTES, LENGTH_OVERHEAD},
};

use super::*;

const BLOCK: u64 = BLOCK_BYTES;
const MIB: u64 = 1 << 20;

/// What a store does that does not answer as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Fails,
    Panics,
    /// So many bytes are missing at the end.
    Cut(u64),
    TooMuch,
    /// A bit is wrong.
    Flipped,
}

/// Objects of bytes that tell where they are; counts, waits and fails.
#[derive(Default)]
struct Fake {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<ObjectKey, Bytes>,
    gets: Vec<(u64, u64)>,
    /// Of the next GETs, in their order; `None`: nothing.
    faults: Vec<Option<Fault>>,
    halted: bool,
}

impl Fake {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// First and last byte but one of each GET since the last look.
    fn gets(&self) -> Vec<(u64, u64)> {
        std::mem::take(&mut self.state().gets)
    }

    fn next(&self, fault: Fault) {
        self.state().faults.push(Some(fault));
    }

    /// GETs begin and do not end while this is so.
    fn halt(&self, halted: bool) {
        self.state().halted = halted;
        self.changed.notify_all();
    }

    fn wait_for_gets(&self, count: usize) {
        let state = self.state();
        let (_state, timed_out) = self
            .changed
            .wait_timeout_while(state, Duration::from_secs(60), |state| state.gets.len() < count)
            .expect("no panic");
        assert!(!timed_out.timed_out(), "waited in vain for {count} GETs");
    }
}

impl ObjectStore for Fake {
    fn create(&self, _: ObjectKey, _: &[Bytes]) -> Result<(), ObjectError> {
        unreachable!("nobody creates")
    }
    fn read_at(&self, key: ObjectKey, from: u64, len: u64) -> Result<Bytes, ObjectError> {
        let (bytes, fault) = {
            let mut state = self.state();
            state.gets.push((from, from + len));
            self.changed.notify_all();
            let fault = if state.faults.is_empty() { None } else { state.faults.remove(0) };
            let state = self.changed.wait_while(state, |state| state.halted).expect("no panic");
            (state.objects[&key].clone(), fault)
        };
        let within = |at: u64| usize::try_from(at).expect("small").min(bytes.len());
        let (first, behind) = (within(from), within(from + len));
        match fault {
            None => Ok(bytes.slice(first..behind)),
            Some(Fault::Fails) => Err(failure()),
            Some(Fault::Panics) => panic!("a bug in a store"),
            Some(Fault::Cut(missing)) => Ok(bytes.slice(first..behind - within(missing))),
            Some(Fault::TooMuch) => Ok(bytes.slice(first..behind + 1)),
            Some(Fault::Flipped) => {
                let mut bytes = bytes[first..behind].to_vec();
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                Ok(Bytes::from(bytes))
            }
        }
    }
    fn read(&self, _: ObjectKey, _: u64) -> Result<Bytes, ObjectError> {
        Ok(Bytes::from_static(b"a manifest"))
    }
    fn list(&self, _: ObjectKind, _: Option<ObjectKey>) -> Result<Vec<ObjectEntry>, ObjectError> {
        unreachable!("nobody lists")
    }
    fn remove(&self, _: ObjectKey) -> Result<(), ObjectError> {
        unreachable!("nobody removes")
    }
}

fn failure() -> ObjectError {
    ObjectError { kind: ObjectErrorKind::Unknown, key: None, detail: String::from("500") }
}

/// A cache over a store with objects, and what it wants to have read ahead.
struct World {
    store: Arc<Fake>,
    cache: Arc<Cache>,
    ahead: Sender<Get>,
    wanted: Mutex<Receiver<Get>>,
}

fn world(bytes_max: u64) -> World {
    let store = Arc::new(Fake::default());
    let as_store: Arc<dyn ObjectStore> = Arc::clone(&store) as _;
    let (ahead, wanted) = channel();
    World { store, cache: Cache::new(&as_store, bytes_max), ahead, wanted: Mutex::new(wanted) }
}

impl World {
    /// What is to be read ahead since the last look.
    fn wanted(&self) -> Vec<Get> {
        self.wanted.lock().expect("no panic").try_iter().collect()
    }

    /// An object of so many bytes, none of them like its neighbours.
    fn object(&self, number: u32, len: u64) -> StoredObject {
        let name = ObjectName { epoch: Epoch(1), number, writer: 7 };
        let bytes: Vec<u8> = (0..len).map(|at| (at / 251 + at % 251 + u64::from(number)) as u8).collect();
        self.store.state().objects.insert(ObjectKey::Data(name), Bytes::from(bytes));
        StoredObject { name, len, footer_len: 100, footer_crc: 0 }
    }

    fn read(&self, object: StoredObject, from: u64, upto: u64) -> Result<Bytes, ObjectError> {
        let view = View { cache: &self.cache, object, ahead: &self.ahead };
        view.read_at(ObjectKey::Data(object.name), from, upto - from)
    }

    /// Reads what is there, and nothing else.
    fn check(&self, object: StoredObject, from: u64, upto: u64) {
        let whole = self.store.state().objects[&ObjectKey::Data(object.name)].clone();
        let read = self.read(object, from, upto).expect("it is read");
        assert!(read == whole[from as usize..upto as usize], "other bytes at {from}..{upto}");
    }

    fn bytes(&self) -> u64 {
        self.cache.held().bytes()
    }

    fn check_at_rest(&self) {
        self.cache.held().check_at_rest();
    }
}

#[test]
fn what_was_read_is_not_asked_for_again_and_neighbours_come_in_one_get() {
    let world = world(64 * MIB);
    let object = world.object(1, 10 * BLOCK + 100);
    world.check(object, 5, 10);
    assert_eq!(world.store.gets(), [(0, BLOCK)]);
    world.check(object, 0, BLOCK);
    world.check(object, 17, BLOCK - 1);
    assert_eq!(world.store.gets(), []);
    // Block 4 is there; what is missing on both sides of it is one GET each.
    world.check(object, 4 * BLOCK, 4 * BLOCK + 1);
    world.store.gets();
    world.check(object, BLOCK / 2, 7 * BLOCK + 1);
    assert_eq!(world.store.gets(), [(BLOCK, 4 * BLOCK), (5 * BLOCK, 8 * BLOCK)]);
    world.check(object, 0, 8 * BLOCK);
    assert_eq!(world.store.gets(), []);
    // Up to the end of the object, and no further.
    world.check(object, 9 * BLOCK + 3, 10 * BLOCK + 100);
    assert_eq!(world.store.gets(), [(9 * BLOCK, 10 * BLOCK + 100)]);
    world.check(object, 10 * BLOCK, 10 * BLOCK + 100);
    assert_eq!(world.store.gets(), []);
    world.check_at_rest();
}

#[test]
fn a_read_behind_the_end_and_one_of_another_object_are_the_stores_to_answer() {
    let world = world(64 * MIB);
    let (object, other) = (world.object(1, 1000), world.object(2, 1000));
    assert_eq!(world.read(object, 990, 1010).expect("read").len(), 10);
    assert_eq!(world.read(object, 1000, 1010).expect("read").len(), 0);
    assert_eq!(world.store.gets(), [(990, 1010), (1000, 1010)]);
    let view = View { cache: &world.cache, object, ahead: &world.ahead };
    assert_eq!(view.read_at(ObjectKey::Data(other.name), 5, 5).expect("read").len(), 5);
    assert_eq!(world.store.gets(), [(5, 10)]);
    assert_eq!(world.bytes(), 0);
    let request = ObjectRequest::Read { key: ObjectKey::Manifest(1), bytes_max: 100 };
    let manifest = world.cache.perform(&request, &world.ahead);
    assert_eq!(manifest, Ok(ObjectReply::Bytes(Bytes::from_static(b"a manifest"))));
}

#[test]
fn many_that_want_the_same_at_once_have_it_from_one_get() {
    let world = world(64 * MIB);
    let object = world.object(1, MIB);
    world.store.halt(true);
    thread::scope(|scope| {
        for at in 0..8 {
            let world = &world;
            scope.spawn(move || world.check(object, at, BLOCK - at));
        }
        world.store.wait_for_gets(1);
        wait_for_waiters(&world, 7);
        world.store.halt(false);
    });
    assert_eq!(world.store.gets(), [(0, BLOCK)]);
    world.check_at_rest();
}

/// So many readers wait for a GET that is on its way.
fn wait_for_waiters(world: &World, count: usize) {
    let begun = std::time::SystemTime::now();
    loop {
        // The cache has it, the `Get`, and each who waits.
        let waiting =
            world.cache.held().flights().iter().map(|flight| Arc::strong_count(flight) - 2).sum::<usize>();
        if waiting == count {
            return;
        }
        assert!(begun.elapsed().expect("a clock") < Duration::from_secs(60), "{waiting} wait");
        thread::yield_now();
    }
}

#[test]
fn who_waits_for_a_get_that_fails_has_its_error_and_nothing_is_kept() {
    let world = world(64 * MIB);
    let object = world.object(1, MIB);
    world.store.halt(true);
    world.store.next(Fault::Fails);
    thread::scope(|scope| {
        let readers: Vec<_> = (0..4).map(|_| scope.spawn(|| world.read(object, 0, 10))).collect();
        world.store.wait_for_gets(1);
        wait_for_waiters(&world, 3);
        world.store.halt(false);
        for reader in readers {
            assert!(reader.join().expect("no panic") == Err(failure()));
        }
    });
    assert_eq!(world.store.gets().len(), 1);
    assert_eq!(world.bytes(), 0);
    world.check(object, 0, 10);
    assert_eq!(world.store.gets().len(), 1);
}

#[test]
fn who_waits_for_a_get_that_panics_has_its_own_try() {
    let world = world(64 * MIB);
    let object = world.object(1, MIB);
    world.store.halt(true);
    world.store.next(Fault::Panics);
    thread::scope(|scope| {
        let first = scope.spawn(|| catch_unwind(AssertUnwindSafe(|| world.read(object, 0, 10))).is_err());
        world.store.wait_for_gets(1);
        let second = scope.spawn(|| world.check(object, 0, 10));
        wait_for_waiters(&world, 1);
        world.store.halt(false);
        assert!(first.join().expect("it is caught"), "it panicked");
        second.join().expect("the right bytes");
    });
    assert_eq!(world.store.gets().len(), 2);
    world.check_at_rest();
}

#[test]
fn a_short_answer_is_passed_on_and_not_kept() {
    let world = world(64 * MIB);
    let object = world.object(1, 4 * BLOCK + 10);
    // In the middle of what was asked for, and at the end.
    for (from, upto, missing) in [(0, 2 * BLOCK, 100), (3 * BLOCK, 4 * BLOCK + 10, 5), (0, BLOCK, BLOCK)] {
        world.store.next(Fault::Cut(missing));
        assert_eq!(world.read(object, from, upto).expect("read").len() as u64, upto - from - missing);
        assert_eq!(world.bytes(), 0, "{from}..{upto}");
        world.check(object, from, upto);
        assert_eq!(world.store.gets().len(), 2);
        world.cache.held().forget(object.name);
    }
    // What comes behind the gap is not put in its place, even if it is there.
    world.check(object, 2 * BLOCK, 3 * BLOCK);
    world.store.next(Fault::Cut(100));
    assert_eq!(world.read(object, 0, 3 * BLOCK).expect("read").len() as u64, 2 * BLOCK - 100);
    // What is missing may not be wanted.
    world.cache.held().forget(object.name);
    world.store.next(Fault::Cut(100));
    world.check(object, 0, BLOCK - 100);
    world.check(object, 0, BLOCK);
    drop(world.wanted());
    world.check_at_rest();
}

#[test]
fn an_answer_that_is_too_long_is_damage() {
    for bytes_max in [64 * MIB, 1] {
        let world = world(bytes_max);
        let object = world.object(1, 4 * BLOCK);
        world.store.next(Fault::TooMuch);
        let error = world.read(object, 0, BLOCK).expect_err("damage");
        assert_eq!(error.kind, ObjectErrorKind::Damaged);
        assert_eq!(world.bytes(), 0);
    }
}

#[test]
fn the_bound_is_held_and_what_was_not_used_for_longest_goes_first() {
    let world = world(4 * BLOCK);
    let object = world.object(1, 64 * BLOCK);
    let read = |block: u64| world.check(object, block * BLOCK, block * BLOCK + 1);
    for block in [0, 10, 20, 30] {
        read(block);
    }
    read(0);
    assert_eq!(world.store.gets().len(), 4);
    read(40);
    world.check_at_rest();
    for block in [0, 20, 30, 40] {
        read(block);
    }
    assert_eq!(world.store.gets(), [(40 * BLOCK, 41 * BLOCK)]);
    read(10);
    assert_eq!(world.store.gets().len(), 1);
    // All of it at once, and then one block more: that is passed through.
    world.check(object, 0, 4 * BLOCK);
    world.check_at_rest();
    world.store.gets();
    world.check(object, 5, 4 * BLOCK);
    assert_eq!(world.store.gets(), []);
    world.check(object, 50 * BLOCK + 7, 55 * BLOCK);
    world.check(object, 50 * BLOCK + 7, 55 * BLOCK);
    assert_eq!(world.store.gets(), [(50 * BLOCK + 7, 55 * BLOCK); 2]);
    world.check_at_rest();
}

#[test]
fn what_is_on_its_way_counts_and_who_finds_no_room_reads_past_the_cache() {
    let world = world(2 * BLOCK);
    let object = world.object(1, 64 * BLOCK);
    world.store.halt(true);
    thread::scope(|scope| {
        let world = &world;
        for at in [0, 2, 4] {
            scope.spawn(move || world.check(object, at * BLOCK + 1, at * BLOCK + 10));
        }
        world.store.wait_for_gets(3);
        assert_eq!(world.bytes(), 2 * BLOCK);
        world.store.halt(false);
    });
    let mut lens: Vec<u64> = world.store.gets().iter().map(|(from, upto)| upto - from).collect();
    lens.sort_unstable();
    assert_eq!(lens, [9, BLOCK, BLOCK]);
    world.check_at_rest();
}

/// Carries out what is to be read ahead. Returns what that was.
fn read_ahead(world: &World) -> Vec<(u64, u64)> {
    world.store.gets();
    world.wanted().into_iter().for_each(Get::carry_out);
    world.store.gets()
}

#[test]
fn a_reader_that_goes_on_is_read_ahead_of_and_one_that_jumps_is_not() {
    let world = world(64 * MIB);
    let object = world.object(1, 40 * MIB);
    for at in [0, 30, 11, 20, 5] {
        world.check(object, at * MIB + 17, at * MIB + 1000);
        // A footer.
        world.check(object, object.footer_at(), object.footer_at() + 100);
        assert_eq!(read_ahead(&world), []);
    }
    world.cache.held().forget(object.name);
    let mut at = 9;
    let (mut asked, mut ahead) = (0, Vec::new());
    while at < object.footer_at() {
        let upto = (at + MIB - 1).min(object.footer_at());
        world.check(object, at, upto);
        asked += world.store.gets().len();
        ahead.extend(read_ahead(&world));
        at = upto;
    }
    assert_eq!(asked, 2, "only before it was known that it goes on");
    let lens: Vec<u64> = ahead.iter().map(|(from, upto)| upto - from).collect();
    assert_eq!(lens[..4], [MIB, 2 * MIB, 4 * MIB, 8 * MIB], "{ahead:?}");
    assert!(ahead.windows(2).all(|two| two[0].1 == two[1].0), "nothing twice and no gap: {ahead:?}");
    assert_eq!(ahead.last().map(|(_, upto)| *upto), Some(object.len), "not behind the end");
    world.check_at_rest();
}

#[test]
fn reads_larger_than_the_first_window_are_read_ahead_of_by_as_much() {
    let world = world(64 * MIB);
    let object = world.object(1, 64 * MIB);
    world.check(object, 0, 8 * MIB);
    world.check(object, 8 * MIB, 16 * MIB);
    assert_eq!(read_ahead(&world), [(16 * MIB, 24 * MIB)]);
    world.check(object, 16 * MIB, 24 * MIB);
    assert_eq!(world.store.gets(), []);
}

#[test]
fn what_is_read_ahead_is_not_asked_for_again_while_it_comes() {
    let world = world(64 * MIB);
    let object = world.object(1, 64 * MIB);
    world.check(object, 0, MIB);
    world.check(object, MIB, 2 * MIB);
    let get = world.wanted().pop().expect("it goes on");
    world.store.gets();
    world.store.halt(true);
    thread::scope(|scope| {
        scope.spawn(|| world.check(object, 2 * MIB + 5, 3 * MIB));
        wait_for_waiters(&world, 1);
        scope.spawn(|| get.carry_out());
        world.store.wait_for_gets(1);
        world.store.halt(false);
    });
    assert_eq!(world.store.gets(), [(2 * MIB, 3 * MIB)]);
}

#[test]
fn an_error_while_reading_ahead_is_nobodys_and_the_reader_asks_itself() {
    let world = world(64 * MIB);
    let object = world.object(1, 64 * MIB);
    for fault in [Fault::Fails, Fault::Cut(1), Fault::TooMuch] {
        world.cache.held().forget(object.name);
        world.check(object, 0, MIB);
        world.check(object, MIB, 2 * MIB);
        let get = world.wanted().pop().expect("it goes on");
        thread::scope(|scope| {
            let reader = scope.spawn(|| world.read(object, 2 * MIB, 3 * MIB));
            wait_for_waiters(&world, 1);
            world.store.next(fault);
            // And its own try meets an error of its own.
            world.store.next(Fault::Fails);
            get.carry_out();
            assert!(reader.join().expect("no panic") == Err(failure()), "{fault:?}");
        });
        world.check(object, 2 * MIB, 3 * MIB);
        world.wanted().into_iter().for_each(drop);
        world.check_at_rest();
    }
}

#[test]
fn a_read_ahead_that_never_begins_holds_nobody_up() {
    let world = world(64 * MIB);
    let object = world.object(1, 64 * MIB);
    world.check(object, 0, MIB);
    world.check(object, MIB, 2 * MIB);
    let get = world.wanted().pop().expect("it goes on");
    thread::scope(|scope| {
        scope.spawn(|| world.check(object, 2 * MIB, 3 * MIB));
        wait_for_waiters(&world, 1);
        drop(get);
    });
    // With nobody there to do it, too.
    let World { store: _store, cache, ahead, wanted } = world;
    drop(wanted);
    let view = View { cache: &cache, object, ahead: &ahead };
    for at in 3..20 {
        view.read_at(ObjectKey::Data(object.name), at * MIB, MIB).expect("it is read");
    }
    cache.held().check_at_rest();
}

#[test]
fn read_aheads_are_few_and_leave_room_for_what_was_read() {
    let world = world(16 * MIB);
    let objects: Vec<_> = (0..8).map(|number| world.object(number, 16 * MIB)).collect();
    for at in 0..2 {
        for object in &objects {
            world.check(*object, at * MIB, (at + 1) * MIB);
        }
    }
    assert_eq!(world.wanted().len(), AHEAD_AT_ONCE);
    // Readers that go away: what is there for them is half of the bound at most.
    for at in 2..10 {
        for object in &objects {
            world.check(*object, at * MIB, at * MIB + MIB);
            for get in world.wanted() {
                get.carry_out();
                let held = world.cache.held();
                assert!(held.unread() <= 8 * MIB, "{} unread", held.unread());
            }
            world.check_at_rest();
        }
    }
}

#[test]
fn without_room_for_a_block_nothing_is_read_ahead() {
    let world = world(3 * BLOCK);
    let object = world.object(1, 64 * MIB);
    for at in 0..20 {
        world.check(object, at * 1000, (at + 1) * 1000);
    }
    assert_eq!(world.wanted().len(), 0);
}

/// A data object as the broker makes it, with two batches of partition 1.
fn stored(world: &World) -> (StoredObject, Vec<Bytes>) {
    let batch = |base: i64| {
        let records = [7; 5000];
        let mut header = BatchHeader {
            base_offset: Offset(base),
            batch_length: i32::try_from(HEADER_BYTES + records.len() - LENGTH_OVERHEAD).expect("small"),
            leader_epoch: 3,
            magic: 2,
            crc: 0,
            attributes: 0,
            last_offset_delta: 9,
            base_timestamp: Timestamp(0),
            max_timestamp: Timestamp(0),
            producer_id: ProducerId(-1),
            producer_epoch: -1,
            base_sequence: -1,
            record_count: 10,
        };
        let mut bytes = header.encode().to_vec();
        bytes.extend_from_slice(&records);
        header.crc = crc32c::crc32c(&bytes[CRC_COVERS_FROM..]);
        bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
        Bytes::from(bytes)
    };
    let batches = vec![batch(0), batch(10)];
    let told = |batch: &Bytes, base| FooterBatch {
        base_offset: Offset(base),
        last_offset_delta: 9,
        len: u32::try_from(batch.len()).expect("small"),
        leader_epoch: 3,
        newest: Timestamp(0),
        crc: BatchHeader::parse(batch.first_chunk().expect("a header")).crc,
    };
    let part = FooterPart {
        partition: PartitionId(1),
        at: 0,
        batches: vec![told(&batches[0], 0), told(&batches[1], 10)],
    };
    let footer = Footer { cluster_id: String::from("abc"), epoch: Epoch(3), cut: Lsn(9), parts: vec![part] };
    let (front, end, reference) = footer.encode(ObjectName { epoch: Epoch(3), number: 1, writer: 1 });
    let whole = [&front[..], &batches[0], &batches[1], &end].concat();
    world.store.state().objects.insert(ObjectKey::Data(reference.object.name), Bytes::from(whole));
    (reference.object, batches)
}

#[test]
fn damage_is_told_and_the_next_read_asks_the_store_again() {
    let world = world(64 * MIB);
    let (object, batches) = stored(&world);
    let perform = || {
        let read = ReadBatches {
            object,
            partition: PartitionId(1),
            from: Offset(0),
            newest_min: None,
            bytes_max: 1 << 20,
        };
        world.cache.perform(&ObjectRequest::ReadBatches(read), &world.ahead)
    };
    for fault in [Fault::Flipped, Fault::Cut(100)] {
        world.store.next(fault);
        let error = perform().expect_err("damage");
        assert_eq!(error.kind, ObjectErrorKind::Damaged, "{error}");
        assert_eq!(world.bytes(), 0, "{fault:?}");
        // Footer and batches are in one block.
        for gets in [1, 0] {
            world.store.gets();
            assert_eq!(perform(), Ok(ObjectReply::Batches(batches.clone())));
            assert_eq!(world.store.gets().len(), gets);
        }
        world.cache.held().forget(object.name);
    }
}
