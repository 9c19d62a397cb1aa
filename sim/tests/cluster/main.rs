//! The production runtime under madsim: the same sockets, driver and timers, on a simulated network, clock and disk; clients,
//! faults and oracle are the simulator's own.
//!
//! `RUSTFLAGS="--cfg madsim" cargo test -p evenkeel-sim --test cluster --target-dir target/madsim`, with
//! `EVENKEEL_SEED` for the first seed and `EVENKEEL_CLUSTER_SEEDS` for their number.
#![cfg(madsim)]

mod faults;
mod lying;
mod player;
mod wire;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use evenkeel::{
    lanes::Tasks,
    server::{self, Ended, Serving},
    shards::Shards,
};
use evenkeel_core::{Config, port::Disk};
use evenkeel_sim::{
    client::Client,
    dice::Dice,
    disk::SimDisk,
    invariant,
    probe::Probe,
    shape::Shape,
    tape::Source,
    violation::{Verdict, broken},
};
use madsim::runtime::Handle;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use crate::{
    faults::Plan,
    player::{Table, locked, play},
};

pub(crate) const BROKER: &str = "10.0.0.1:9092";
/// Once faults have stopped, everything must be answered within this time.
const LIVENESS: Duration = Duration::from_secs(120);

/// What a broker finds when its node starts, and how it ended.
pub(crate) struct Machine {
    pub(crate) disk: Arc<SimDisk>,
    pub(crate) starts: u64,
    pub(crate) config: Config,
    /// Asks the running broker to stop.
    pub(crate) stop: Arc<Notify>,
    /// How the last one ended, if it did by itself.
    pub(crate) ended: Option<Ended>,
    /// Whether its disk syncs the log.
    syncs: bool,
}

/// What a node runs, each time it starts.
async fn broker(machine: Arc<Mutex<Machine>>, seed: u64) {
    let (disk, starts, config, stop, syncs) = {
        let mut machine = locked(&machine);
        machine.starts += 1;
        let stop = Arc::clone(&machine.stop);
        (Arc::clone(&machine.disk), machine.starts, machine.config.clone(), stop, machine.syncs)
    };
    // The sockets of a killed node are let go a little later.
    let listener = loop {
        match tokio::net::TcpListener::bind("0.0.0.0:9092").await {
            Ok(listener) => break listener,
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                sleep(Duration::from_millis(1)).await
            }
            Err(error) => panic!("cannot listen: {error}"),
        }
    };
    let disk: Arc<dyn Disk> = if syncs { disk } else { Arc::new(lying::Lying(disk)) };
    let lanes = Box::new(Tasks::start(&disk, Duration::from_micros(200)));
    let stop = async move { stop.notified().await };
    let serving = Serving { idle_timeout: Duration::from_secs(30), ..Serving::default() };
    let ended =
        server::serve(listener, config, serving, seed + starts, lanes, None, Shards::default(), None, stop)
            .await;
    locked(&machine).ended = Some(ended);
}

/// Whether what was promised still holds on that disk.
fn check(table: &Mutex<Table>, machine: &Mutex<Machine>, disk: SimDisk, settle: bool) -> Verdict {
    let config = locked(machine).config.clone();
    let mut probe = Probe::boot(&config, 1, disk);
    if let Some(ended) = probe.ended() {
        return broken("false-refusal", ended.words());
    }
    let reading = probe.read_all()?;
    let mut table = locked(table);
    invariant::check_all(&table.ledger, &reading)?;
    if settle { table.ledger.settle(&reading) } else { Ok(()) }
}

/// What a run did.
#[derive(Default)]
struct Done {
    heard: u64,
    faults: BTreeMap<&'static str, u64>,
}

async fn run(seed: u64, syncs: bool) -> Result<Done, evenkeel_sim::violation::Violation> {
    let handle = Handle::current();
    // Members of groups are for the worlds: whether a group may rebalance hangs on when its members were last heard of, which
    // links that are cut one way leave open here. Stewards too: a batch may arrive long after its client has given it up, and then whether
    // it is stamped hangs on when. Those that commit without a group, and operators of groups, are there.
    // Nothing is let go: the clocks here are those of no producer.
    let shape = Shape { members: 0, stewards: 0, retention_millis: 0, ..Shape::lite(seed) };
    let config = Config { advertised_host: String::from("10.0.0.1"), ..shape.config.clone() };
    let machine = Arc::new(Mutex::new(Machine {
        disk: Arc::default(),
        starts: 0,
        config,
        stop: Arc::default(),
        ended: None,
        syncs,
    }));
    let table = Arc::new(Mutex::new(Table::new(shape.clone())));
    let ip = BROKER.parse::<SocketAddr>().expect("an address").ip();
    let starting = Arc::clone(&machine);
    let node =
        handle.create_node().name("broker").ip(ip).init(move || broker(Arc::clone(&starting), seed)).build();
    let mut nodes = Vec::new();
    let mut playing = Vec::new();
    for (at, client) in Client::cast(&Source::new(seed, None, false), &shape).into_iter().enumerate() {
        let ip = format!("10.0.1.{}", at + 1).parse().expect("an address");
        let home = handle.create_node().name(format!("client {at}")).ip(ip).build();
        let dice = Dice::of(seed, &format!("player {at}"));
        playing.push((client.name(), home.spawn(play(Arc::clone(&table), client, dice))));
        nodes.push(home.id());
    }
    let mut plan = Plan::new(seed, shape, node.id(), nodes);
    plan.disturb(&handle, &table, &machine).await?;
    plan.calm(&handle, &machine).await?;
    let before = locked(&table).connected;
    for (name, client) in playing {
        match timeout(LIVENESS, client).await {
            Ok(ended) => ended.expect("no client panics")?,
            Err(_) => {
                let (connected, ended) = (locked(&table).connected - before, locked(&machine).ended.clone());
                let detail = format!(
                    "a {name} waits for an answer long after the faults stopped; {connected} connections since, \
                     the broker ended: {ended:?}"
                );
                return broken("stuck", detail);
            }
        }
    }
    // After an orderly stop nothing depends on the page cache.
    plan.stop(&machine).await?;
    let left = locked(&machine).disk.durable_only();
    check(&table, &machine, left, true)?;
    let heard = locked(&table).heard;
    Ok(Done { heard, faults: plan.done })
}

#[test]
fn every_promise_is_kept_by_the_whole_runtime() {
    let given = |name: &str| std::env::var(name).ok().and_then(|given| given.parse::<u64>().ok());
    let (first, seeds) = (given("EVENKEEL_SEED").unwrap_or(1), given("EVENKEEL_CLUSTER_SEEDS").unwrap_or(20));
    let mut total = Done::default();
    for seed in first..first + seeds {
        eprintln!("EVENKEEL_SEED={seed}");
        let world = madsim::runtime::Runtime::with_seed_and_config(seed, madsim::Config::default());
        match world.block_on(run(seed, true)) {
            Ok(done) => {
                total.heard += done.heard;
                for (name, count) in done.faults {
                    *total.faults.entry(name).or_default() += count;
                }
            }
            Err(violation) => panic!("seed {seed}: {violation}"),
        }
    }
    println!("{seeds} seeds, {} answers, faults: {:?}", total.heard, total.faults);
    assert!(total.heard >= seeds * 20, "clients were served");
    if seeds >= 20 {
        for name in faults::KINDS {
            assert!(total.faults.contains_key(name), "no {name} in {seeds} seeds");
        }
    }
}

#[test]
fn a_log_that_is_not_synced_is_noticed() {
    let broken = (1..20).find_map(|seed| {
        let world = madsim::runtime::Runtime::with_seed_and_config(seed, madsim::Config::default());
        world.block_on(run(seed, false)).err()
    });
    println!("{}", broken.expect("twenty seeds with power cuts"));
}

#[test]
fn the_same_seed_is_the_same_world() {
    madsim::runtime::Runtime::check_determinism(given_seed(), madsim::Config::default(), || async {
        run(given_seed(), true).await.map(|done| done.heard).expect("every promise is kept")
    });
}

fn given_seed() -> u64 {
    std::env::var("EVENKEEL_SEED").ok().and_then(|given| given.parse().ok()).unwrap_or(1)
}
