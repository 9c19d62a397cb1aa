//! The `evenkeel` command.

use std::{process::ExitCode, sync::Arc};

use clap::Parser;
use evenkeel::{
    disk::Files,
    lanes::Threads,
    server::{self, Ended},
    settings::{Command, CommandLine, Serve},
};
use evenkeel_core::port::{Disk, Fault};
use tokio::signal::unix::{SignalKind, signal};

const UNUSABLE: u8 = 1;
const REFUSED: u8 = 2;
const HALTED: u8 = 3;

fn main() -> ExitCode {
    let settings = match CommandLine::parse().command {
        Some(Command::Serve(serve)) => *serve,
        None => Serve::parse_from(["evenkeel"]),
    };
    tracing_subscriber::fmt()
        .with_max_level(settings.log_level)
        .with_target(false)
        .with_writer(std::io::stderr)
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return unusable(&format!("cannot start threads: {error}")),
    };
    let code = runtime.block_on(serve(&settings));
    // Whatever is still under way is not needed any more: everything promised is durable.
    runtime.shutdown_background();
    code
}

fn unusable(reason: &str) -> ExitCode {
    tracing::error!("{reason}");
    ExitCode::from(UNUSABLE)
}

async fn serve(settings: &Serve) -> ExitCode {
    let listener = match tokio::net::TcpListener::bind(settings.listen).await {
        Ok(listener) => listener,
        Err(error) => return unusable(&format!("cannot listen on {}: {error}", settings.listen)),
    };
    let bound = listener.local_addr().unwrap_or(settings.listen);
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
    let disk: Arc<dyn Disk> = Arc::new(files);
    let lanes = match Threads::start(&disk) {
        Ok(lanes) => Box::new(lanes),
        Err(error) => return unusable(&format!("cannot start threads: {error}")),
    };
    let stop = match stop_signals() {
        Ok(stop) => stop,
        Err(error) => return unusable(&format!("cannot listen for signals: {error}")),
    };
    match server::serve(listener, config, settings.serving(), rand::random(), lanes, stop).await {
        Ended::Stopped => ExitCode::SUCCESS,
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

/// Completes at the first SIGTERM or SIGINT. A second one ends the process at once; the log is made for that.
fn stop_signals() -> std::io::Result<impl Future<Output = ()>> {
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
            std::process::exit(code);
        });
    })
}
