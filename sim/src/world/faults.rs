//! When things go wrong: the plan of crashes, what a crash is, and when the machine comes back.

use evenkeel_core::port::Event;

use crate::{
    dice::Dice,
    disk::{Faults, Loss},
    shape::Shape,
    trace::{Kind, Lane, Scene},
    violation::Verdict,
    world::{Happening, World, scenes},
};

/// Crashes still to come.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// Operations left at which the next crashes are due, the next one last.
    due: Vec<u64>,
    /// The power or the process goes after so many steps of the disk.
    pub(super) crash_in_steps: Option<u64>,
    /// Crashes of recoveries in a row.
    crash_loop: u64,
    /// A crash is planned and has not come yet.
    pending: bool,
}

/// Crashes of recoveries in a row, at most.
const CRASH_LOOP_MAX: u64 = 6;

impl Plan {
    pub(super) fn draw(shape: &Shape, dice: &mut Dice) -> Plan {
        let mut due: Vec<u64> = (0..shape.crashes).map(|_| dice.below(shape.operations)).collect();
        due.sort_unstable();
        Plan { due, ..Plan::default() }
    }

    pub(super) fn is_over(&self) -> bool {
        self.due.is_empty() && !self.pending
    }

    /// A stop may have been asked for.
    pub(super) fn stops(&self) -> bool {
        self.pending
    }

    pub(super) fn stop(&mut self) {
        *self = Plan::default();
    }
}

impl World {
    /// Sets the rates at which the disk fails.
    pub(super) fn arm(&mut self) {
        self.arm_disk();
        if self.shape.store_outages {
            let micros = self.courier.magnitude(1_000, 2_000_000);
            self.after(micros, Happening::StoreDown(true));
        }
        if self.shape.fills_up {
            let micros = self.faults.magnitude(1_000, 2_000_000);
            self.after(micros, Happening::Full(true));
        }
    }

    pub(super) fn arm_disk(&mut self) {
        let Shape { sync_eio, write_eio, read_eio, remove_eio, .. } = self.shape;
        let seed = self.faults.bits();
        self.armed += 1;
        let dice = self.source.dice_of(&format!("disk {}", self.armed), seed);
        self.disk.arm_with(Faults { sync_eio, write_eio, read_eio, remove_eio, room: self.room }, dice);
    }

    pub(super) fn fill(&mut self, full: bool) {
        if self.winding_down {
            return;
        }
        self.mark("disk full or free again");
        self.tell(&[30, u64::from(full)], || {
            let text = if full { "the disk is full" } else { "the disk has room" };
            Scene { failed: full, ..Scene::new(Lane::Disk, Kind::Full, text) }
        });
        self.room = full.then(|| self.room_left());
        self.arm_disk();
        let micros = self.faults.magnitude(1_000, 3_000_000);
        self.after(micros, Happening::Full(!full));
    }

    /// Bytes that a disk has left that is full: often none, sometimes enough for a start, or for a part of one.
    fn room_left(&mut self) -> u64 {
        let most = self.shape.room_bytes;
        if most > 0 && self.weather.chance(600) { self.weather.magnitude(4096, most) } else { 0 }
    }

    /// Whether the process stands still now: a debugger, a virtual machine that is moved, a machine that swaps.
    pub(super) fn stands_still(&mut self) -> bool {
        if self.now < self.node.paused_until {
            return true;
        }
        if self.winding_down || !self.weather.rarely(self.shape.pauses) {
            return false;
        }
        let micros = self.weather.magnitude(10_000, 60_000_000);
        self.mark("process stands still");
        self.tell(&[34, micros], || {
            let text = format!("the process stands still for {} ms", micros / 1000);
            Scene::new(Lane::Broker, Kind::Machine, text)
        });
        self.node.paused_until = self.now + micros;
        self.slow(self.node.paused_until);
        true
    }

    /// What a step of the disk takes longer than it should, in microseconds.
    pub(super) fn hangs(&mut self) -> u64 {
        if self.winding_down || !self.weather.rarely(self.shape.hangs) {
            return 0;
        }
        let micros = self.weather.magnitude(10_000, 40_000_000);
        self.mark("disk hangs");
        self.tell(&[35, micros], || {
            Scene::new(Lane::Disk, Kind::Machine, format!("the disk hangs for {} ms", micros / 1000))
        });
        self.slow(self.now + micros);
        micros
    }

    fn slow(&mut self, until: u64) {
        self.ledger.slow_until = self.ledger.slow_until.max(until);
    }

    /// Has the time for the next crash come?
    pub(super) fn plan_crash(&mut self) {
        if !self.node.serves()
            || self.plan.pending
            || self.plan.due.last().is_none_or(|due| *due < self.operations_left)
        {
            return;
        }
        self.plan.due.pop();
        self.plan.pending = true;
        if self.faults.chance(500) {
            self.plan.crash_in_steps = Some(self.faults.magnitude(1, 40));
        }
        // At the latest: there may be no more steps to count.
        let micros = self.faults.magnitude(1, 20_000);
        self.after(micros, Happening::Crash);
    }

    /// After each step of the disk.
    pub(super) fn count_step(&mut self) -> Verdict {
        match self.plan.crash_in_steps {
            Some(0) => self.crash(),
            Some(steps) => {
                self.plan.crash_in_steps = Some(steps - 1);
                Ok(())
            }
            None => Ok(()),
        }
    }

    pub(super) fn plan_crash_in_recovery(&mut self) {
        if self.winding_down || self.plan.crash_loop >= CRASH_LOOP_MAX {
            self.plan.crash_loop = 0;
            return;
        }
        if self.faults.chance(self.shape.crashes_in_recovery) {
            self.plan.crash_loop += 1;
            self.plan.crash_in_steps = Some(self.faults.magnitude(1, 40) - 1);
        }
    }

    pub(super) fn crash(&mut self) -> Verdict {
        self.plan.pending = false;
        self.plan.crash_in_steps = None;
        if !self.node.runs() || self.winding_down {
            return Ok(());
        }
        if self.node.serves() && self.faults.chance(self.shape.stops) {
            self.mark("stop asked for");
            self.tell(&[31], || Scene::new(Lane::Broker, Kind::Stop, "an orderly stop is asked for"));
            self.node.lets_nobody_in();
            self.enqueue(Event::Stop);
            // Patience of an operator; a crash may fall into the stop.
            let micros = self.faults.magnitude(1_000, 5_000_000);
            self.plan.pending = true;
            self.after(micros, Happening::Crash);
            return Ok(());
        }
        self.mark(if self.node.serves() { "crash" } else { "crash in recovery" });
        self.tell(&[32], || Scene::new(Lane::Broker, Kind::Kill, "the process is killed"));
        self.end_process(true);
        if !self.disk_is_lost_perhaps() {
            self.power_fails_perhaps();
        }
        self.start_later();
        Ok(())
    }

    pub(super) fn power_fails_perhaps(&mut self) {
        if !self.faults.chance(self.shape.power_losses) {
            return;
        }
        let loss = Loss::draw(&mut self.faults);
        self.mark("power loss");
        let before = self.story.is_wanted().then(|| self.disk.clone());
        self.disk = self.disk.after(&loss, &mut self.faults);
        let after = &self.disk;
        self.story.tell(self.now, &[33], || scenes::power_loss(&loss, before.as_ref(), after));
        if !self.winding_down {
            self.arm_disk();
        }
    }

    pub(super) fn start_later(&mut self) {
        // Producers' clocks do not leap with it: what would be old then nobody knows.
        if self.faults.chance(100) && self.shape.retention_millis == 0 {
            // The wall clock is set, or was wrong all the time.
            let leap = i64::try_from(self.faults.below(14_400_000)).expect("small") - 7_200_000;
            self.wall_ahead_ms += leap;
            self.mark("wall clock leaps");
            self.note(|| {
                Scene::new(Lane::Broker, Kind::Machine, format!("the wall clock leaps by {leap} ms"))
            });
        }
        let micros = self.faults.magnitude(100, 1_000_000);
        self.after(micros, Happening::Boot);
    }
}
