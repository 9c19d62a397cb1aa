//! The `evenkeel` command.

use std::{
    io::{self, IsTerminal, Write, stderr},
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::Parser;
use evenkeel::{
    cli,
    couriers::{self, Couriers},
    disk::Files,
    lanes::Threads,
    object::{
        Deadlines, Objects, StorePlace,
        probe::{self, Doubt},
    },
    printer,
    server::{self, Ended},
    settings::{Command, CommandLine, HostPort, Serve},
    shards::Shards,
};
use evenkeel_core::port::{Disk, Fault, ObjectStore};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::TcpListener;

const WRONG_USAGE: u8 = 2;
const UNUSABLE: u8 = 1;
const REFUSED: u8 = 2;
const HALTED: u8 = 3;
const UNSTORED: u8 = 4;
const DEPOSED: u8 = 5;

fn main() -> ExitCode {
    let parsed = CommandLine::try_parse().and_then(|line| match line.command {
        Some(command) => Ok(command),
        None => Serve::try_parse_from(["evenkeel"]).map(|serve| Command::Serve(Box::new(serve))),
    });
    match parsed {
        Ok(Command::Serve(settings)) => broker(*settings),
        Ok(Command::Topic(topic)) => client(cli::Command::Topic(*topic)),
        Ok(Command::Group(group)) => client(cli::Command::Group(*group)),
        Ok(Command::Config(config)) => client(cli::Command::Config(*config)),
        Ok(Command::Inspect(inspect)) => inspect.run(),
        Ok(Command::Verify(verify)) => verify.run(),
        Ok(Command::Restore(restore)) => restore.run(),
        Err(answer) => {
            // Nobody reads it: the code still tells.
            let _ = answer.print();
            if answer.use_stderr() { ExitCode::from(wrong_usage()) } else { ExitCode::SUCCESS }
        }
    }
}

/// clap would exit with 2, which means that the broker refused to start where a broker is asked for, and damage where one looks for it.
fn wrong_usage() -> u8 {
    let command = std::env::args_os().nth(1);
    let is_client =
        command.is_some_and(|command| ["topic", "group", "config"].iter().any(|client| command == *client));
    if is_client { WRONG_USAGE } else { UNUSABLE }
}

fn client(command: cli::Command) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(cli::run(command, stop_signals)),
        Err(error) => {
            // Nobody may be there to read it.
            let _ = writeln!(stderr(), "evenkeel: cannot wait for events: {error}");
            ExitCode::from(UNUSABLE)
        }
    }
}

fn broker(settings: Serve) -> ExitCode {
    let printer = match printer::of_process() {
        Ok(printer) => printer,
        Err(error) => {
            let _ = writeln!(stderr(), "evenkeel: cannot start threads: {error}");
            return ExitCode::from(UNUSABLE);
        }
    };
    tracing_subscriber::fmt()
        .with_max_level(settings.log_level)
        .with_target(false)
        .with_ansi(stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty()))
        .with_writer(move || printer.clone())
        .init();
    let code = run(settings);
    printer::drain();
    code
}

fn run(mut settings: Serve) -> ExitCode {
    settings.max_connections = connections_allowed(settings.max_connections);
    // Accepts, keeps the time and hears signals. Connections have threads of their own.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return unusable(&format!("cannot wait for events: {error}")),
    };
    let code = runtime.block_on(serve(&settings));
    // Whatever is still under way is not needed any more: everything promised is durable. Dropping would wait for a thread
    // that is stuck in a disk.
    std::mem::forget(runtime);
    code
}

/// Descriptors that connections must leave to others: open files of the log, the threads' event queues, the system's own.
const FILES_OF_OUR_OWN: u64 = 512;

/// Raises the soft limit of open files to the hard one, and says how many connections fit. With the usual soft limit of
/// 1024, clients could use up what the log needs for its next segment, and a log that cannot go on halts the broker.
fn connections_allowed(wanted: usize) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // What counts is the limit afterwards.
    let _ = setrlimit(Resource::Nofile, limit);
    let Some(files) = getrlimit(Resource::Nofile).current else { return wanted };
    let fit = usize::try_from(files.saturating_sub(FILES_OF_OUR_OWN)).unwrap_or(usize::MAX).max(1);
    if fit < wanted {
        tracing::warn!(
            "{files} files may be open, so at most {fit} connections instead of {wanted}: raise the limit (ulimit -n), \
             or lower --max-connections"
        );
    }
    wanted.min(fit)
}

fn unusable(reason: &str) -> ExitCode {
    tracing::error!("{reason}");
    ExitCode::from(UNUSABLE)
}

/// Listens there, and says where that is.
async fn listen(at: &HostPort) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((&at.host[..], at.port)).await?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

async fn serve(settings: &Serve) -> ExitCode {
    let (listener, bound) = match listen(&settings.listen).await {
        Ok(listening) => listening,
        Err(error) => return unusable(&format!("cannot listen on {}: {error}", settings.listen)),
    };
    let metrics = match &settings.metrics_listen {
        None => None,
        Some(at) => match listen(at).await {
            Ok(listening) => Some(listening),
            Err(error) => return unusable(&format!("cannot listen for metrics on {at}: {error}")),
        },
    };
    let config = match settings.config(bound) {
        Ok(config) => config,
        Err(error) => return unusable(&error),
    };
    let files = match Files::open(&settings.data_dir) {
        Ok(files) => files,
        Err(error) => {
            return unusable(&format!("cannot use data directory {}: {error}", settings.data_dir.display()));
        }
    };
    let path = settings.data_dir.canonicalize().unwrap_or_else(|_| settings.data_dir.clone());
    tracing::info!(
        "evenkeel {}, node {}, data in {}",
        env!("CARGO_PKG_VERSION"),
        config.node_id,
        path.display()
    );
    let metrics = metrics.map(|(listener, address)| {
        tracing::info!("metrics on http://{address}/metrics");
        listener
    });
    let disk: Arc<dyn Disk> = Arc::new(files);
    let lanes = match Threads::start(&disk) {
        Ok(lanes) => Box::new(lanes),
        Err(error) => return unusable(&format!("cannot start threads: {error}")),
    };
    let couriers = match couriers(settings) {
        Ok(couriers) => couriers,
        Err(error) => return unusable(&error),
    };
    let shards = match shards() {
        Ok(shards) => shards,
        Err(error) => return unusable(&format!("cannot start threads: {error}")),
    };
    let stop = match stop_signals() {
        Ok(stop) => stop,
        Err(error) => return unusable(&format!("cannot listen for signals: {error}")),
    };
    let seed = rand::random();
    match server::serve(listener, config, settings.serving(), seed, lanes, couriers, shards, metrics, stop)
        .await
    {
        Ended::Stopped { unstored: false } => ExitCode::SUCCESS,
        Ended::Stopped { unstored: true } => ExitCode::from(UNSTORED),
        Ended::Halted(Fault::Deposed(why)) => {
            tracing::error!("{why}");
            ExitCode::from(DEPOSED)
        }
        Ended::Halted(Fault::Refused(refusal)) => {
            tracing::error!("{refusal}");
            ExitCode::from(REFUSED)
        }
        Ended::Halted(Fault::LogWrite(error)) => {
            tracing::error!(
                "halted: a log write failed: {error}. Nothing that it held was acknowledged. The next start recovers \
                 everything that was."
            );
            ExitCode::from(HALTED)
        }
    }
}

/// A call of the look whether a store can be trusted may always take so long.
const PROBE_PATIENCE_MIN: Duration = Duration::from_secs(1);

/// Who goes to the object store, if there shall be one. One that is found to break its promises is not used.
fn couriers(settings: &Serve) -> Result<Option<Box<dyn Couriers>>, String> {
    let Some(place) = settings.store()? else { return Ok(None) };
    let store: Arc<dyn ObjectStore> = Arc::new(Objects::open(&place, Deadlines::default())?);
    tracing::info!("object store: {place}");
    if settings.store_is_within() {
        tracing::info!(
            "it is on the disk of the log, and lost with it; --object-store names one elsewhere, to which it can be copied"
        );
    }
    if place == StorePlace::Memory {
        tracing::warn!(
            "memory:// is for tests: it ends with this process, and with it every record that has left the log for it. No later \
             start will take this data directory"
        );
    }
    // One that takes requests and keeps silent holds up a start twice as long as was said at most: it is tried, and tidied up.
    let patience = settings.object_store_start_wait.max(PROBE_PATIENCE_MIN);
    let tried = Objects::open(&place, Deadlines::default().within(patience))?;
    match probe::probe(&tried, rand::random()) {
        Ok(()) => {}
        Err(doubt @ Doubt::Broken(_)) => return Err(doubt.to_string()),
        // What can be done without it is the broker's to decide.
        Err(doubt @ Doubt::Failed(_)) => tracing::warn!("{doubt}"),
    }
    let threads = couriers::Threads::start(&store, settings.object_store_cache_bytes.as_u64())
        .map_err(|error| format!("cannot start threads: {error}"))?;
    Ok(Some(Box::new(threads)))
}

#[cfg(madsim)]
fn shards() -> io::Result<Shards> {
    Ok(Shards::default())
}

#[cfg(not(madsim))]
fn shards() -> io::Result<Shards> {
    Shards::start()
}

/// A simulation calls `server::serve` and stops it by itself; in its world there are no signals.
#[cfg(madsim)]
fn stop_signals() -> io::Result<impl Future<Output = ()>> {
    Ok(std::future::pending())
}

/// Completes at the first SIGTERM or SIGINT. A second one ends the process at once; the log is made for that.
#[cfg(not(madsim))]
fn stop_signals() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            biased;
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tokio::spawn(async move {
            let code = tokio::select! {
                biased;
                _ = terminate.recv() => 143,
                _ = interrupt.recv() => 130,
            };
            tracing::warn!(
                "a second signal: ending at once, without closing the log; the next start recovers"
            );
            printer::drain();
            std::process::exit(code);
        });
    })
}
