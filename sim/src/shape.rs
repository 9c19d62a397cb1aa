//! What a run is made of: drawn from its seed before it begins, so that no two runs try the same things.

use core::time::Duration;

use evenkeel_core::{Config, config::StoreConfig, limits::CUT_PAUSE};

use crate::dice::Dice;

/// How large runs are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Size {
    /// One node, about 200 operations, about three crashes.
    #[default]
    Lite,
    /// One node, about 2,000 operations of up to twelve clients, dozens of crashes. Several nodes do not exist yet.
    Standard,
}

/// All of them, with their names.
pub const SIZES: [(Size, &str); 2] =
    [(Size::Lite, Size::Lite.name()), (Size::Standard, Size::Standard.name())];

impl Size {
    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Size::Lite => "lite",
            Size::Standard => "standard",
        }
    }

    /// The size of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Size> {
        SIZES.into_iter().find(|(_, known)| *known == name).map(|(size, _)| size)
    }

    /// The settings of one run of that size.
    #[must_use]
    pub fn shape(self, seed: u64) -> Shape {
        match self {
            Size::Lite => Shape::lite(seed),
            Size::Standard => Shape::standard(seed),
        }
    }
}

/// The settings of one run.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The broker's configuration.
    pub config: Config,
    /// Batches to be produced, and other requests to be made, before the run winds down.
    pub operations: u64,
    /// Crashes planned, those within a recovery not counted.
    pub crashes: u64,
    /// Producers that write without idempotence.
    pub plain_producers: u64,
    /// Producers that write with it.
    pub idempotent_producers: u64,
    /// Consumers.
    pub consumers: u64,
    /// Consumers that follow all partitions through a fetch session.
    pub followers: u64,
    /// Members of consumer groups.
    pub members: u64,
    /// Groups that they are in.
    pub groups: u64,
    /// How many of them keep their place when they come back.
    pub static_members: u64,
    /// Session timeout of the members in milliseconds.
    pub session_ms: u64,
    /// Thousandths of what a member does that is a crash, a sleep, a departure or something out of turn.
    pub churn: u64,
    /// Consumers without a group that commit offsets.
    pub committers: u64,
    /// Operators of groups.
    pub overseers: u64,
    /// Operators of topics: of their partitions, configs and records.
    pub stewards: u64,
    /// Whether the state after each start is compared with the one before.
    pub compares_states: bool,
    /// Topics that live through the whole run.
    pub lasting_topics: u64,
    /// Topics that come and go under the same names.
    pub passing_topics: u64,
    /// Time between two actions of a client, in microseconds, at most.
    pub think_micros: u64,
    /// Bytes of filling in a record, at most.
    pub filling_bytes: u64,
    /// Thousandths of crashes that are power losses.
    pub power_losses: u64,
    /// Thousandths of planned crashes that are orderly stops instead.
    pub stops: u64,
    /// Thousandths of restarts that crash again before they are done.
    pub crashes_in_recovery: u64,
    /// Thousandths of restarts whose image is also tried with a media fault.
    pub media_faults: u64,
    /// Thousandths of answers at which the promise is checked on a copy that lost its power.
    pub checked_answers: u64,
    /// Rates of run-time faults: failing syncs, failing writes, failing reads, and whether the disk fills up at times.
    pub sync_eio: u64,
    /// See [`Shape::sync_eio`].
    pub write_eio: u64,
    /// See [`Shape::sync_eio`].
    pub read_eio: u64,
    /// Thousandths of removals of files that fail.
    pub remove_eio: u64,
    /// See [`Shape::sync_eio`].
    pub fills_up: bool,
    /// Thousandths of messages after which a connection breaks.
    pub resets: u64,
    /// Steps of the disk, in a hundred thousand, that hang for up to 40 s.
    pub hangs: u64,
    /// Turns of the broker, in a hundred thousand, before which its process stands still for up to a minute.
    pub pauses: u64,
    /// Thousandths of restarts whose image is also tried with more damage than anything is promised for.
    pub over_budget: u64,
    /// Thousandths of starts with another size of new segments than the start before.
    pub resizes: u64,
    /// Thousandths of crashes with which the disk is lost, where there is an object store.
    pub disk_losses: u64,
    /// Whether there is an object store.
    pub stored: bool,
    /// Time after which a change is to be there, in microseconds.
    pub flush_micros: u64,
    /// Size of its data objects in bytes.
    pub object_bytes: u64,
    /// Bytes of lists of objects that become an object of their own.
    pub index_bytes: u64,
    /// Whether writes are refused while what is not stored is old.
    pub age_limited: bool,
    /// Time that an object stays which nothing refers to, in microseconds.
    pub garbage_micros: u64,
    /// Manifests that are kept.
    pub manifests_kept: u64,
    /// Time between the beginnings of two cuts, at least, in microseconds; 0: as usual.
    pub cut_pause_micros: u64,
    /// Small data objects that become one; 0: none do.
    pub merged_objects: u64,
    /// Bytes of what they become, at most.
    pub merged_bytes: u64,
    /// Bytes of a state from which on cuts may tell it by what has changed.
    pub delta_state_bytes: u64,
    /// How long a start, and a stop, wait for the store, in microseconds.
    pub start_wait_micros: u64,
    /// See [`Shape::start_wait_micros`].
    pub stop_wait_micros: u64,
    /// Typical time of a request to it, in microseconds.
    pub store_micros: u64,
    /// Thousandths of its requests that are lost, done unheard, or done late.
    pub store_faults: u64,
    /// Whether it is away at times.
    pub store_outages: bool,
    /// Milliseconds for which records are kept; 0: for ever.
    pub retention_millis: u64,
    /// Bytes of a partition that are kept; 0: all.
    pub retention_bytes: u64,
    /// Time between two looks for what is not to be kept, in microseconds.
    pub retention_check_micros: u64,
    /// Bytes that a full disk has left at most; 0: none.
    pub room_bytes: u64,
    /// Typical time of a write and of a sync in microseconds.
    pub write_micros: u64,
    /// See [`Shape::write_micros`].
    pub sync_micros: u64,
}

impl Shape {
    /// Whether the disk may fail at run time.
    #[must_use]
    pub fn disk_fails(&self) -> bool {
        self.sync_eio + self.write_eio + self.read_eio + self.remove_eio > 0 || self.fills_up
    }

    /// Whether the object store may fail to answer.
    #[must_use]
    pub fn store_fails(&self) -> bool {
        self.stored && (self.store_faults > 0 || self.store_outages || self.age_limited)
    }

    /// Whether the broker lets records go by itself.
    #[must_use]
    pub fn retains(&self) -> bool {
        self.retention_millis + self.retention_bytes > 0
    }

    /// The broker's configuration for a start in which nothing is let go: to ask what there is.
    #[must_use]
    pub fn still(&self) -> Config {
        Config { retention: None, retention_bytes: None, ..self.config.clone() }
    }

    /// Tells the broker of retention and of the object store, as the settings say.
    pub fn configure(&mut self) {
        self.config.retention =
            (self.retention_millis > 0).then(|| Duration::from_millis(self.retention_millis));
        self.config.retention_bytes = (self.retention_bytes > 0).then_some(self.retention_bytes);
        if self.retains() {
            self.config.retention_check_interval = Duration::from_micros(self.retention_check_micros.max(1));
        }
        self.config.store = self.stored.then(|| StoreConfig {
            flush_interval: Duration::from_micros(self.flush_micros),
            cut_pause: match self.cut_pause_micros {
                0 => CUT_PAUSE,
                micros => Duration::from_micros(micros),
            },
            start_wait: Duration::from_micros(self.start_wait_micros + 4 * self.store_micros),
            stop_wait: Duration::from_micros(self.stop_wait_micros),
            object_bytes: self.object_bytes,
            manifest_tail_bytes: usize::try_from(self.index_bytes).unwrap_or(usize::MAX),
            garbage_delay: Duration::from_micros(self.garbage_micros),
            manifests_kept: self.manifests_kept,
            merged_bytes: self.merged_bytes,
            delta_state_bytes: usize::try_from(self.delta_state_bytes).unwrap_or(usize::MAX),
            merged_objects: u32::try_from(self.merged_objects).unwrap_or(u32::MAX),
            unflushed_age_max: self.age_limited.then(|| Duration::from_micros(self.flush_micros * 4)),
        });
    }

    /// One node, about 200 operations, about three crashes.
    #[must_use]
    pub fn lite(seed: u64) -> Shape {
        let mut dice = Dice::of(seed, "shape");
        let segment_bytes = 4096 * u32::try_from(dice.between(8, 32)).expect("small");
        let mut gathering = Dice::of(seed, "groups");
        let mut deltas = Dice::of(seed, "deltas");
        let config = Config {
            segment_bytes,
            message_bytes_max: segment_bytes / 4,
            cache_bytes: if dice.chance(300) { 0 } else { dice.magnitude(1024, 256 << 10) },
            default_partitions: i32::try_from(dice.between(1, 3)).expect("small"),
            producer_expiry: Duration::from_secs(86_400),
            group_initial_rebalance_delay: Duration::from_millis(match gathering.below(3) {
                0 => 0,
                _ => gathering.magnitude(10, 1000),
            }),
            group_session_timeout_min: Duration::from_millis(1),
            ..Config::default()
        };
        // One seed in five is calm: fewer kinds of faults, so that each is also seen alone.
        let calm = dice.chance(200);
        let faults = |dice: &mut Dice, often: u64| !calm && dice.chance(often);
        let mut weather = Dice::of(seed, "weather");
        let mut bucket = Dice::of(seed, "store");
        let stored = bucket.chance(400);
        let mut rubbish = Dice::of(seed, "garbage");
        let mut keeping = Dice::of(seed, "stewards");
        let mut joins = Dice::of(seed, "merges");
        let mut disasters = Dice::of(seed, "disasters");
        let mut room = Dice::of(seed, "room");
        let mut age = Dice::of(seed, "retention");
        let retained = age.chance(200);
        let (by_time, by_bytes) = (age.chance(600), age.chance(600));
        let grouped = gathering.chance(500);
        let some = |dice: &mut Dice, low: u64, high: u64| if grouped { dice.between(low, high) } else { 0 };
        let mut shape = Shape {
            members: some(&mut gathering, 1, 4),
            groups: some(&mut gathering, 1, 2),
            static_members: some(&mut gathering, 0, 3),
            session_ms: some(&mut gathering, 300, 3000),
            churn: some(&mut gathering, 0, 60),
            committers: some(&mut gathering, 0, 1),
            overseers: some(&mut gathering, 0, 1),
            stewards: if keeping.chance(450) { keeping.between(1, 2) } else { 0 },
            compares_states: gathering.chance(if grouped { 700 } else { 200 }) && !retained,
            operations: dice.between(80, 320),
            crashes: dice.between(1, 5),
            plain_producers: dice.between(0, 2),
            idempotent_producers: dice.between(1, 3),
            consumers: dice.between(1, 2),
            followers: weather.between(0, 1),
            lasting_topics: dice.between(0, 3),
            passing_topics: dice.between(0, 3),
            think_micros: dice.magnitude(200, 60_000),
            filling_bytes: dice.magnitude(64, u64::from(segment_bytes) / 24),
            power_losses: dice.below(1001),
            stops: if dice.chance(500) { dice.below(400) } else { 0 },
            crashes_in_recovery: if faults(&mut dice, 600) { dice.below(700) } else { 0 },
            media_faults: if dice.chance(500) { 1000 } else { 300 },
            checked_answers: dice.between(30, 150),
            sync_eio: if faults(&mut dice, 200) { dice.between(1, 10) } else { 0 },
            write_eio: if faults(&mut dice, 200) { dice.between(1, 10) } else { 0 },
            read_eio: if faults(&mut dice, 150) { dice.between(1, 10) } else { 0 },
            remove_eio: if faults(&mut weather, 100) { weather.between(50, 500) } else { 0 },
            fills_up: faults(&mut dice, 250),
            resets: if faults(&mut dice, 500) { dice.between(1, 40) } else { 0 },
            hangs: if faults(&mut weather, 150) { weather.magnitude(2, 300) } else { 0 },
            pauses: if faults(&mut weather, 150) { weather.magnitude(2, 300) } else { 0 },
            over_budget: if weather.chance(200) { 500 } else { 0 },
            resizes: if weather.chance(250) { weather.between(100, 600) } else { 0 },
            disk_losses: if stored && disasters.chance(500) { disasters.between(100, 900) } else { 0 },
            room_bytes: if room.chance(800) { 3 * u64::from(segment_bytes) } else { 0 },
            write_micros: dice.magnitude(5, 300),
            sync_micros: dice.magnitude(20, 5000),
            stored,
            flush_micros: bucket.magnitude(5_000, 2_000_000),
            store_micros: bucket.magnitude(100, 50_000),
            object_bytes: bucket.magnitude(1_000, 1 << 20),
            index_bytes: bucket.magnitude(100, 10_000),
            age_limited: bucket.chance(200),
            garbage_micros: rubbish.magnitude(1_000, 2_000_000),
            manifests_kept: rubbish.between(1, 4),
            merged_bytes: joins.magnitude(10_000, 4 << 20),
            cut_pause_micros: 0,
            merged_objects: 0,
            delta_state_bytes: if deltas.chance(700) { deltas.magnitude(100, 3_000) } else { u64::MAX },
            start_wait_micros: rubbish.magnitude(10_000, 30_000_000),
            stop_wait_micros: rubbish.magnitude(10_000, 10_000_000),
            store_faults: if faults(&mut bucket, 600) { bucket.magnitude(5, 300) } else { 0 },
            store_outages: faults(&mut bucket, 300),
            retention_millis: if retained && by_time { age.magnitude(10, 10_000) } else { 0 },
            retention_bytes: if retained && by_bytes { age.magnitude(500, 100_000) } else { 0 },
            retention_check_micros: age.magnitude(100_000, 2_000_000),
            config,
        };
        // Many cuts in little time, so that what they leave becomes enough to be merged, and is.
        if stored && joins.chance(600) {
            shape.merged_objects = joins.between(4, 8);
            shape.flush_micros = joins.magnitude(1_000, 100_000);
            shape.cut_pause_micros = joins.magnitude(300, 100_000);
        }
        // Where all of them keep their place, only members that are often away leave a rebalance that nobody joins.
        if shape.static_members >= shape.members {
            shape.churn *= 3;
        }
        shape
    }

    /// Ten times as much of everything: what only shows after many crashes of one log, or among many clients.
    #[must_use]
    pub fn standard(seed: u64) -> Shape {
        let lite = Shape::lite(seed);
        let mut dice = Dice::of(seed, "standard");
        let segment_bytes = 4096 * u32::try_from(dice.magnitude(8, 64)).expect("small");
        let config = Config {
            segment_bytes,
            message_bytes_max: segment_bytes / 4,
            default_partitions: i32::try_from(dice.between(1, 6)).expect("small"),
            ..lite.config.clone()
        };
        let calm = lite.crashes_in_recovery == 0 && !lite.disk_fails() && lite.resets == 0;
        let storms = |dice: &mut Dice, often: u64, most: u64| match !calm && dice.chance(often) {
            true => dice.between(1, most),
            false => 0,
        };
        Shape {
            operations: dice.between(1500, 2500),
            crashes: dice.between(12, 48),
            // With the administrator twelve at most.
            plain_producers: dice.between(0, 3),
            idempotent_producers: dice.between(1, 5),
            consumers: dice.between(1, 2),
            followers: dice.between(0, 1),
            lasting_topics: dice.between(1, 6),
            passing_topics: dice.between(0, 6),
            // Every start reads the whole log: many small batches try more in the same time than few large ones.
            filling_bytes: dice.magnitude(16, u64::from(segment_bytes) / 64),
            // An answer is checked by reading everything, and there is ten times as much of it.
            checked_answers: dice.between(2, 12),
            media_faults: dice.between(50, 300),
            over_budget: lite.over_budget / 5,
            // Each of these ends a process sooner or later: rarer, for runs that are longer.
            sync_eio: storms(&mut dice, 200, 4),
            write_eio: storms(&mut dice, 200, 4),
            read_eio: storms(&mut dice, 150, 4),
            config,
            ..lite
        }
    }
}

/// A setting as a number.
enum Slot<'a> {
    Long(&'a mut u64),
    Word(&'a mut u32),
    Count(&'a mut i32),
    Flag(&'a mut bool),
    Millis(&'a mut Duration),
}

type Knob = (&'static str, fn(&mut Shape) -> Slot<'_>);

/// Every setting that differs between runs, by name: what a repro keeps, and what shrinking turns down.
const KNOBS: [Knob; 62] = [
    ("operations", |shape| Slot::Long(&mut shape.operations)),
    ("crashes", |shape| Slot::Long(&mut shape.crashes)),
    ("crashes_in_recovery", |shape| Slot::Long(&mut shape.crashes_in_recovery)),
    ("power_losses", |shape| Slot::Long(&mut shape.power_losses)),
    ("stops", |shape| Slot::Long(&mut shape.stops)),
    ("sync_eio", |shape| Slot::Long(&mut shape.sync_eio)),
    ("write_eio", |shape| Slot::Long(&mut shape.write_eio)),
    ("read_eio", |shape| Slot::Long(&mut shape.read_eio)),
    ("remove_eio", |shape| Slot::Long(&mut shape.remove_eio)),
    ("hangs", |shape| Slot::Long(&mut shape.hangs)),
    ("pauses", |shape| Slot::Long(&mut shape.pauses)),
    ("over_budget", |shape| Slot::Long(&mut shape.over_budget)),
    ("room_bytes", |shape| Slot::Long(&mut shape.room_bytes)),
    ("disk_losses", |shape| Slot::Long(&mut shape.disk_losses)),
    ("resizes", |shape| Slot::Long(&mut shape.resizes)),
    ("fills_up", |shape| Slot::Flag(&mut shape.fills_up)),
    ("resets", |shape| Slot::Long(&mut shape.resets)),
    ("media_faults", |shape| Slot::Long(&mut shape.media_faults)),
    ("checked_answers", |shape| Slot::Long(&mut shape.checked_answers)),
    ("plain_producers", |shape| Slot::Long(&mut shape.plain_producers)),
    ("idempotent_producers", |shape| Slot::Long(&mut shape.idempotent_producers)),
    ("consumers", |shape| Slot::Long(&mut shape.consumers)),
    ("followers", |shape| Slot::Long(&mut shape.followers)),
    ("members", |shape| Slot::Long(&mut shape.members)),
    ("groups", |shape| Slot::Long(&mut shape.groups)),
    ("static_members", |shape| Slot::Long(&mut shape.static_members)),
    ("session_ms", |shape| Slot::Long(&mut shape.session_ms)),
    ("churn", |shape| Slot::Long(&mut shape.churn)),
    ("committers", |shape| Slot::Long(&mut shape.committers)),
    ("overseers", |shape| Slot::Long(&mut shape.overseers)),
    ("stewards", |shape| Slot::Long(&mut shape.stewards)),
    ("rebalance_delay_ms", |shape| Slot::Millis(&mut shape.config.group_initial_rebalance_delay)),
    ("compares_states", |shape| Slot::Flag(&mut shape.compares_states)),
    ("store_outages", |shape| Slot::Flag(&mut shape.store_outages)),
    ("store_faults", |shape| Slot::Long(&mut shape.store_faults)),
    ("stored", |shape| Slot::Flag(&mut shape.stored)),
    ("flush_micros", |shape| Slot::Long(&mut shape.flush_micros)),
    ("object_bytes", |shape| Slot::Long(&mut shape.object_bytes)),
    ("index_bytes", |shape| Slot::Long(&mut shape.index_bytes)),
    ("age_limited", |shape| Slot::Flag(&mut shape.age_limited)),
    ("garbage_micros", |shape| Slot::Long(&mut shape.garbage_micros)),
    ("manifests_kept", |shape| Slot::Long(&mut shape.manifests_kept)),
    ("cut_pause_micros", |shape| Slot::Long(&mut shape.cut_pause_micros)),
    ("merged_objects", |shape| Slot::Long(&mut shape.merged_objects)),
    ("delta_state_bytes", |shape| Slot::Long(&mut shape.delta_state_bytes)),
    ("merged_bytes", |shape| Slot::Long(&mut shape.merged_bytes)),
    ("start_wait_micros", |shape| Slot::Long(&mut shape.start_wait_micros)),
    ("stop_wait_micros", |shape| Slot::Long(&mut shape.stop_wait_micros)),
    ("store_micros", |shape| Slot::Long(&mut shape.store_micros)),
    ("lasting_topics", |shape| Slot::Long(&mut shape.lasting_topics)),
    ("passing_topics", |shape| Slot::Long(&mut shape.passing_topics)),
    ("think_micros", |shape| Slot::Long(&mut shape.think_micros)),
    ("filling_bytes", |shape| Slot::Long(&mut shape.filling_bytes)),
    ("retention_millis", |shape| Slot::Long(&mut shape.retention_millis)),
    ("retention_bytes", |shape| Slot::Long(&mut shape.retention_bytes)),
    ("retention_check_micros", |shape| Slot::Long(&mut shape.retention_check_micros)),
    ("write_micros", |shape| Slot::Long(&mut shape.write_micros)),
    ("sync_micros", |shape| Slot::Long(&mut shape.sync_micros)),
    ("segment_bytes", |shape| Slot::Word(&mut shape.config.segment_bytes)),
    ("message_bytes_max", |shape| Slot::Word(&mut shape.config.message_bytes_max)),
    ("cache_bytes", |shape| Slot::Long(&mut shape.config.cache_bytes)),
    ("default_partitions", |shape| Slot::Count(&mut shape.config.default_partitions)),
];

impl Shape {
    /// Every setting by name, always in the same order.
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, u64)> {
        let mut shape = self.clone();
        let number = |slot: Slot<'_>| match slot {
            Slot::Long(value) => *value,
            Slot::Word(value) => u64::from(*value),
            Slot::Count(value) => u64::try_from(*value).unwrap_or(0),
            Slot::Flag(value) => u64::from(*value),
            Slot::Millis(value) => u64::try_from(value.as_millis()).unwrap_or(u64::MAX),
        };
        KNOBS.iter().map(|(name, knob)| (*name, number(knob(&mut shape)))).collect()
    }

    /// Sets one of them.
    ///
    /// # Errors
    /// There is none of that name, or the value does not fit.
    pub fn set(&mut self, name: &str, value: u64) -> Result<(), String> {
        let (_, knob) =
            KNOBS.iter().find(|(known, _)| *known == name).ok_or_else(|| format!("no setting {name:?}"))?;
        let too_large = |error| format!("{name} = {value}: {error}");
        match knob(self) {
            Slot::Long(slot) => *slot = value,
            Slot::Word(slot) => *slot = u32::try_from(value).map_err(too_large)?,
            Slot::Count(slot) => *slot = i32::try_from(value).map_err(too_large)?,
            Slot::Flag(slot) => *slot = value != 0,
            Slot::Millis(slot) => *slot = Duration::from_millis(value),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_make_a_shape_what_another_one_is() {
        let (one, mut other) = (Shape::lite(1), Shape::lite(2));
        for (name, value) in one.settings() {
            other.set(name, value).expect("a setting that was read");
        }
        // Compared as a whole: a setting that is missing from the list would differ in some seed.
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
        assert!(other.set("nothing", 1).is_err() && other.set("segment_bytes", u64::MAX).is_err());
    }
}
