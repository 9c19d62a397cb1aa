//! What goes wrong around the broker's node: kills, power cuts, stops, pauses, failing disks, and a network that parts.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use evenkeel::server::Ended;
use evenkeel_core::{
    log::Refusal,
    port::{DiskErrorKind, Fault},
};
use evenkeel_sim::{
    dice::Dice,
    disk::Faults,
    shape::Shape,
    violation::{Verdict, broken},
};
use madsim::{net::NetSim, runtime::Handle, task::NodeId};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use crate::{
    Machine, check,
    player::{Table, locked},
};

/// Every kind that twenty seeds must have seen.
pub(crate) const KINDS: [&str; 7] =
    ["power cut", "kill", "orderly stop", "pause", "partition", "clogged link", "broker isolated"];
/// An orderly stop, and a start, may take this long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Simulated time after which a run is considered to make no progress.
const RUN_MAX: Duration = Duration::from_secs(3600);

/// The faults of one run.
pub(crate) struct Plan {
    dice: Dice,
    shape: Shape,
    broker: NodeId,
    clients: Vec<NodeId>,
    seed: u64,
    pub(crate) done: BTreeMap<&'static str, u64>,
}

impl Plan {
    pub(crate) fn new(seed: u64, shape: Shape, broker: NodeId, clients: Vec<NodeId>) -> Plan {
        Plan { dice: Dice::of(seed, "cluster"), shape, broker, clients, seed, done: BTreeMap::new() }
    }

    fn did(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    /// One fault after the other, until the clients have done what they wanted to.
    pub(crate) async fn disturb(
        &mut self,
        handle: &Handle,
        table: &Mutex<Table>,
        machine: &Arc<Mutex<Machine>>,
    ) -> Verdict {
        let begun = Instant::now();
        self.arm(machine);
        while locked(table).operations_left > 0 {
            if begun.elapsed() > RUN_MAX {
                return broken("stuck", "clients come to no end");
            }
            let pause = self.dice.magnitude(500, 600_000);
            sleep(Duration::from_micros(pause)).await;
            self.look_after(handle, table, machine)?;
            match self.dice.below(10) {
                0..=1 => self.crash(handle, table, machine, true)?,
                2 => self.crash(handle, table, machine, false)?,
                3 => {
                    self.did("orderly stop");
                    self.stop(machine).await?;
                    self.restart(handle, machine);
                }
                4 => {
                    self.did("pause");
                    handle.pause(self.broker);
                    self.a_while().await;
                    handle.resume(self.broker);
                }
                5 => {
                    self.did("broker isolated");
                    NetSim::current().clog_node(self.broker);
                    self.a_while().await;
                    NetSim::current().unclog_node(self.broker);
                }
                6..=7 => {
                    self.did("partition");
                    let client = self.clients[self.dice.index(self.clients.len())];
                    NetSim::current().clog_link(self.broker, client);
                    NetSim::current().clog_link(client, self.broker);
                    self.a_while().await;
                    NetSim::current().unclog_link(self.broker, client);
                    NetSim::current().unclog_link(client, self.broker);
                }
                8 => {
                    // Questions arrive and no answers, or the other way round.
                    self.did("clogged link");
                    let client = self.clients[self.dice.index(self.clients.len())];
                    let (from, to) =
                        if self.dice.chance(500) { (client, self.broker) } else { (self.broker, client) };
                    NetSim::current().clog_link(from, to);
                    self.a_while().await;
                    NetSim::current().unclog_link(from, to);
                }
                _ => self.a_while().await,
            }
        }
        Ok(())
    }

    async fn a_while(&mut self) {
        let micros = self.dice.magnitude(1_000, 12_000_000);
        sleep(Duration::from_micros(micros)).await;
    }

    /// Faults stop; what is dead is started again.
    pub(crate) async fn calm(&mut self, handle: &Handle, machine: &Arc<Mutex<Machine>>) -> Verdict {
        self.shape = Shape {
            sync_eio: 0,
            write_eio: 0,
            read_eio: 0,
            remove_eio: 0,
            fills_up: false,
            ..self.shape.clone()
        };
        locked(machine).disk.calm();
        // What had failed by then has been noticed.
        sleep(Duration::from_secs(1)).await;
        if locked(machine).ended.is_some() {
            self.restart(handle, machine);
        }
        Ok(())
    }

    fn arm(&mut self, machine: &Mutex<Machine>) {
        let Shape { sync_eio, write_eio, read_eio, remove_eio, .. } = self.shape;
        let full = self.shape.fills_up && self.dice.chance(300);
        let faults = Faults { sync_eio, write_eio, read_eio, remove_eio, room: full.then_some(0) };
        locked(machine).disk.arm(faults, self.dice.bits());
    }

    /// A broker that has ended by itself had a reason.
    fn look_after(
        &mut self,
        handle: &Handle,
        table: &Mutex<Table>,
        machine: &Arc<Mutex<Machine>>,
    ) -> Verdict {
        let Some(ended) = locked(machine).ended.clone() else { return Ok(()) };
        let honest = match &ended {
            Ended::Stopped { .. } | Ended::Halted(Fault::Deposed(_)) => false,
            Ended::Halted(Fault::LogWrite(_)) => self.shape.disk_fails(),
            Ended::Halted(Fault::Refused(Refusal::Disk(error))) => {
                self.shape.disk_fails() && error.kind != DiskErrorKind::Damaged
            }
            Ended::Halted(Fault::Refused(_)) => false,
        };
        if !honest {
            return broken("false-halt", format!("{ended:?}"));
        }
        self.did("halted");
        let power = self.dice.chance(500);
        self.crash(handle, table, machine, power)
    }

    fn crash(
        &mut self,
        handle: &Handle,
        table: &Mutex<Table>,
        machine: &Arc<Mutex<Machine>>,
        power: bool,
    ) -> Verdict {
        self.did(if power { "power cut" } else { "kill" });
        handle.kill(self.broker);
        let left = {
            let machine = locked(machine);
            if power { machine.disk.power_cut(self.dice.bits()) } else { machine.disk.without_faults() }
        };
        check(table, machine, left.clone(), false)?;
        locked(machine).disk = Arc::new(left);
        self.restart(handle, machine);
        Ok(())
    }

    fn restart(&mut self, handle: &Handle, machine: &Arc<Mutex<Machine>>) {
        {
            let mut machine = locked(machine);
            machine.ended = None;
            machine.stop = Arc::new(Notify::new());
        }
        self.arm(machine);
        // A process that ended by itself has no connections any more; its node still has.
        handle.kill(self.broker);
        handle.restart(self.broker);
    }

    /// An orderly stop, to its end.
    pub(crate) async fn stop(&mut self, machine: &Arc<Mutex<Machine>>) -> Verdict {
        let begun = Instant::now();
        locked(machine).stop.notify_one();
        loop {
            let ended = locked(machine).ended.clone();
            match ended {
                Some(Ended::Stopped { .. }) => return Ok(()),
                Some(Ended::Halted(_)) if self.shape.disk_fails() => return Ok(()),
                Some(Ended::Halted(fault)) => return broken("false-halt", format!("{fault:?}")),
                None if begun.elapsed() > PATIENCE => {
                    return broken("stuck", format!("seed {}: a stop comes to no end", self.seed));
                }
                None => sleep(Duration::from_millis(1)).await,
            }
        }
    }
}
