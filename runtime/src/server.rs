//! From a start to a stop: recover, listen, serve, drain.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use evenkeel_core::{Config, port::Fault};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
};

use crate::{
    budget::Budget,
    connection::{self, Bounds},
    couriers::Couriers,
    driver::{Driver, Phase},
    lanes::Lanes,
    metrics,
    shards::Shards,
    signal::Signal,
};

/// What a server needs beside the brain's configuration.
#[derive(Clone, Debug)]
pub struct Serving {
    /// Memory for requests on their way, in bytes.
    pub request_memory: u64,
    /// Most client connections at once.
    pub connections_max: usize,
    /// A connection with nothing on its way is closed after this time.
    pub idle_timeout: Duration,
    /// A frame that was begun must be complete within this time, an answer be taken.
    pub progress_timeout: Duration,
    /// Time for clients to take their last answers at a stop.
    pub shutdown_timeout: Duration,
}

impl Default for Serving {
    fn default() -> Serving {
        Serving {
            request_memory: 256 << 20,
            connections_max: 10_000,
            idle_timeout: Duration::from_secs(600),
            progress_timeout: Duration::from_secs(60),
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}

/// How serving ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Stopped in order: everything is durable and the log is closed.
    Stopped {
        /// Whether something is not in the object store.
        unstored: bool,
    },
    /// Refused to start, or halted after a failure. Nothing may be written any more.
    Halted(Fault),
}

/// Wait between two tries after the system gave no connection (most often: no file descriptor left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[expect(
    clippy::too_many_arguments,
    reason = "each is one thing that a start needs, and there is one caller"
)]
/// Serves on a bound listener until `stop` comes, or the broker ends itself. `metrics`: where figures are asked for, from the start of
/// recovery on.
pub async fn serve(
    listener: TcpListener,
    config: Config,
    serving: Serving,
    seed: u64,
    lanes: Box<dyn Lanes>,
    couriers: Option<Box<dyn Couriers>>,
    shards: Shards,
    metrics: Option<TcpListener>,
    stop: impl Future<Output = ()>,
) -> Ended {
    let advertised = format!("{}:{}", config.advertised_host, config.advertised_port);
    let driver = Driver::start(config, seed, lanes, couriers);
    if let Some(listener) = metrics {
        tokio::spawn(metrics::serve(listener, Arc::clone(&driver)));
    }
    let phase = driver.phase();
    tokio::pin!(stop);
    let stopped_early = tokio::select! {
        biased;
        _ = phase.wait_for(|phase| *phase != Phase::Starting) => false,
        () = &mut stop => true,
    };
    if stopped_early {
        driver.stop();
        return end_of(phase).await;
    }
    if let Phase::Halted(fault) = phase.get() {
        return Ended::Halted(fault);
    }
    match listener.local_addr() {
        Ok(address) => tracing::info!("serving on {address}, advertised as {advertised}"),
        Err(error) => tracing::warn!("serving on an address that cannot be told: {error}"),
    }

    let stopping = Arc::new(Signal::new(false));
    // Each connection holds a sender; the receiver ends when the last one is gone.
    let (alive, mut all_gone) = mpsc::channel::<()>(1);
    let ended = {
        let accepting = accept(&listener, &driver, &serving, &shards, &stopping, alive);
        tokio::pin!(accepting);
        tokio::select! {
            biased;
            ended = end_of(phase) => ended,
            () = &mut stop => {
                driver.stop();
                end_of(phase).await
            }
            never = &mut accepting => match never {},
        }
    };
    if let Ended::Stopped { .. } = ended {
        drop(listener);
        stopping.set(true);
        if tokio::time::timeout(serving.shutdown_timeout, all_gone.recv()).await.is_err() {
            tracing::warn!(
                "some clients did not take their last answers within {:?}",
                serving.shutdown_timeout
            );
        }
        tracing::info!("stopped: everything is durable, the log is closed");
    }
    ended
}

async fn end_of(phase: &Signal<Phase>) -> Ended {
    let reached = phase.wait_for(|phase| matches!(phase, Phase::Stopped { .. } | Phase::Halted(_))).await;
    match reached {
        Phase::Halted(fault) => Ended::Halted(fault),
        Phase::Stopped { unstored } => Ended::Stopped { unstored },
        Phase::Starting | Phase::Serving => unreachable!("an end is waited for"),
    }
}

/// The next connection. Failures are counted in `failed`, and told.
pub(crate) async fn next_of(listener: &TcpListener, failed: &mut u64) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The client has gone already: no reason to let the others wait.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                *failed += 1;
                if failed.is_power_of_two() {
                    tracing::warn!("cannot accept a connection: {error} ({failed} times so far)");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

enum Never {}

async fn accept(
    listener: &TcpListener,
    driver: &Arc<Driver>,
    serving: &Serving,
    shards: &Shards,
    stopping: &Arc<Signal<bool>>,
    alive: mpsc::Sender<()>,
) -> Never {
    let places = Arc::new(Semaphore::new(serving.connections_max));
    let bounds = Bounds {
        budget: Budget::new(serving.request_memory),
        idle: serving.idle_timeout,
        progress: serving.progress_timeout,
    };
    let mut turned_away = 0u64;
    let mut failed = 0u64;
    loop {
        let (stream, peer) = next_of(listener, &mut failed).await;
        // Answers are written whole; waiting for more to send only costs latency. Fails if the client has gone already,
        // which its task will see.
        let _ = stream.set_nodelay(true);
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            turned_away += 1;
            // 1, 2, 4, 8 ...: a flood of connections is not to be a flood of lines.
            if turned_away.is_power_of_two() {
                tracing::warn!(
                    "all {} connections are taken, {peer} is turned away ({turned_away} so far)",
                    serving.connections_max
                );
            }
            continue;
        };
        let (driver, bounds, alive) = (Arc::clone(driver), bounds.clone(), alive.clone());
        let stopping = Arc::clone(stopping);
        let seated = shards.seat(stream, move |stream, seat| async move {
            connection::serve(stream, peer, seat, driver, bounds, stopping).await;
            drop((place, alive));
        });
        if let Err(error) = seated {
            tracing::warn!("connection from {peer} cannot be served: {error}");
        }
    }
}
