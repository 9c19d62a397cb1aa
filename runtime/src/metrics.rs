//! Figures for who watches the broker: `GET /metrics`, in Prometheus' text format 0.0.4.

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt::{Display, Write as _},
    sync::Arc,
    time::Duration,
};

use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::{
    driver::{Driver, Figures, Phase},
    server,
};

/// Connections at once. The one that has been there longest makes room for a new one, so idle sockets keep nobody away.
const CONNECTIONS_MAX: usize = 32;
/// Longest life of a connection.
const CONNECTION_TIME: Duration = Duration::from_secs(60);
/// Time in which a request's headers must be complete, from the start of the connection or from the answer before.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// Read buffer of a connection: the headers of a request must fit.
const BUFFER_BYTES: usize = 16 << 10;
const CONTENT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers requests until it is dropped.
pub async fn serve(listener: TcpListener, driver: Arc<Driver>) {
    let mut connections = VecDeque::with_capacity(CONNECTIONS_MAX);
    let mut failed = 0;
    loop {
        let (stream, _) = server::next_of(&listener, &mut failed).await;
        connections.retain(|task: &JoinHandle<()>| !task.is_finished());
        if connections.len() >= CONNECTIONS_MAX
            && let Some(oldest) = connections.pop_front()
        {
            oldest.abort();
        }
        connections.push_back(tokio::spawn(converse(stream, Arc::clone(&driver))));
    }
}

async fn converse(stream: TcpStream, driver: Arc<Driver>) {
    let answers = service_fn(|request| {
        let answer = answer(&request, &driver);
        async { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIME)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), answers);
    // An error is of the client's making: it broke off, or does not speak HTTP.
    let _ = tokio::time::timeout(CONNECTION_TIME, connection).await;
}

fn answer(request: &Request<Incoming>, driver: &Arc<Driver>) -> Response<String> {
    let mut response = Response::new(String::new());
    if request.uri().path() != "/metrics" {
        *response.status_mut() = StatusCode::NOT_FOUND;
        *response.body_mut() = String::from("the metrics are at /metrics\n");
    } else if request.method() != Method::GET && request.method() != Method::HEAD {
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    } else {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT));
        *response.body_mut() = text(&driver.figures(), driver.phase().get() == Phase::Serving);
    }
    response
}

/// All metrics. What is not known yet is left out.
fn text(figures: &Figures, serving: bool) -> String {
    let mut out = String::new();
    let mut labelled = |name: &str, labels: &str, help: &str, value: &dyn Display| {
        let _ = writeln!(out, "# HELP evenkeel_{name} {help}\n# TYPE evenkeel_{name} gauge");
        let _ = writeln!(out, "evenkeel_{name}{labels} {value}");
    };
    let version = format!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    labelled("build_info", &version, "The version, always 1.", &1);
    let mut number = |name: &str, help: &str, value: &dyn Display| labelled(name, "", help, value);
    number("serving", "1 while clients are served, 0 in recovery and while stopping.", &u8::from(serving));
    number("connections", "Connections of clients.", &figures.connections);
    if let Some(durable) = figures.durable {
        number("durable_lsn", "All entries of the log below this LSN are durable.", &durable);
    }
    if let Some(store) = &figures.store {
        let help = "Age of the oldest change that a loss of the disk would take away; 0 if there is none.";
        number("rpo_seconds", help, &format!("{:.6}", store.recovery_point.as_secs_f64()));
        number(
            "unflushed_bytes",
            "Bytes of records that are in the log and not in the object store.",
            &store.unflushed_bytes,
        );
        let help =
            "1 while writes are refused because what is not in the object store is too old or too much.";
        number("writes_refused", help, &u8::from(store.refuses));
        if let Some(stored) = store.stored {
            number("stored_lsn", "All entries of the log below this LSN are in the object store.", &stored);
        }
    }
    out
}

#[cfg(test)]
mod tests;
