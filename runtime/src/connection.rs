//! One client connection: a task that reads frames, brings requests to the brain and writes answers in order.
//!
//! Reading stops while an answer is being written, while too many requests are on their way, and while there is no memory
//! for the next one: a client that does not read is not read from.

use std::{
    collections::VecDeque,
    io,
    io::IoSlice,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::{Buf, Bytes};
use evenkeel_core::{
    ClientEvent, Event,
    limits::REQUESTS_IN_FLIGHT_MAX,
    units::ConnId,
    wire::session::{Inbound, Session},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
    time::{Instant, timeout},
};

use crate::{
    budget::{Budget, Memory},
    driver::{Driver, Mail},
    frames::{Ended, FrameReader},
    shards::Seat,
    signal::Signal,
};

/// Slices handed to one write.
const SLICES: usize = 64;

/// Bounds of a connection.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Memory for requests, shared by all connections.
    pub budget: Budget,
    /// A connection with nothing on its way is closed after this time.
    pub idle: Duration,
    /// A frame that was begun must be complete within this time, and some of an answer be taken.
    pub progress: Duration,
}

/// Why a connection ended.
enum End {
    /// The client left.
    Left,
    /// The broker stops, and everything that was on its way has been answered.
    Stopping,
    /// For the log.
    Because(String),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> End {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
        if matches!(error.kind(), ConnectionReset | BrokenPipe | ConnectionAborted) {
            End::Left
        } else {
            End::Because(error.to_string())
        }
    }
}

struct Connection<S> {
    stream: S,
    seat: Seat,
    driver: Arc<Driver>,
    id: ConnId,
    mailbox: mpsc::UnboundedReceiver<Mail>,
    session: Session,
    reader: FrameReader,
    /// Memory of the requests on their way, oldest first.
    memory: VecDeque<Memory>,
    bounds: Bounds,
    stopping: Arc<Signal<bool>>,
}

fn refused() -> End {
    End::Because(String::from("the broker refuses a request in this way"))
}

/// Tells the brain that a connection whose task panicked is gone: one client's bug is not to be everybody's leak.
/// In an ordinary end the task says so itself; a simulated node that is killed says nothing.
struct GoneOnPanic(Arc<Driver>, ConnId);

impl Drop for GoneOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.lost(self.1);
        }
    }
}

/// What stands for a client: an IPv4 address, or the network part of an IPv6 address, since a host has 2^64 of those.
fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

/// Serves one client until it leaves, misbehaves, or the broker stops.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: SocketAddr,
    seat: Seat,
    driver: Arc<Driver>,
    bounds: Bounds,
    stopping: Arc<Signal<bool>>,
) {
    let address = client_of(peer.ip());
    let (id, mailbox) = driver.connect(address);
    let _gone = GoneOnPanic(Arc::clone(&driver), id);
    let reader = FrameReader::new(bounds.budget.client(address), bounds.progress);
    let session = Session::from_host(format!("/{}", peer.ip()));
    let memory = VecDeque::new();
    let mut connection = Connection {
        stream,
        seat,
        driver: Arc::clone(&driver),
        id,
        mailbox,
        session,
        reader,
        memory,
        bounds,
        stopping,
    };
    match connection.run().await {
        End::Left | End::Stopping => tracing::debug!("connection {id} from {peer} ended"),
        End::Because(reason) => tracing::info!("connection {id} from {peer} closed: {reason}"),
    }
    driver.disconnect(id);
    // The other side may be gone already; there is nobody to tell.
    let _ = connection.stream.shutdown().await;
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    async fn run(&mut self) -> End {
        loop {
            if let Err(end) = self.write_answers().await {
                return end;
            }
            if self.stopping.get() && self.session.in_flight() == 0 {
                return End::Stopping;
            }
            let reading = self.session.in_flight() < REQUESTS_IN_FLIGHT_MAX && !self.stopping.get();
            if !reading {
                self.reader.excuse();
            }
            let idle = self.session.in_flight() == 0 && !self.reader.is_in_frame();
            let idle_until = Instant::now().checked_add(self.bounds.idle).filter(|_| idle);
            let wait = async {
                match idle_until {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                mail = self.mailbox.recv() => match mail {
                    Some(Mail::Reply(tag, response)) => self.session.answer(tag, *response),
                    Some(Mail::Close) => return refused(),
                    None => return End::Left,
                },
                frame = self.reader.next(&mut self.stream), if reading => match frame {
                    Ok(frame) => {
                        self.memory.push_back(frame.memory);
                        match self.session.take(frame.request) {
                            Ok(Some(inbound)) => self.bring(inbound),
                            Ok(None) => {}
                            Err(close) => return End::Because(close.to_string()),
                        }
                    }
                    Err(Ended::Gone(None)) => return End::Left,
                    Err(Ended::Gone(Some(error))) => return error.into(),
                    Err(Ended::Slow) => {
                        return End::Because(format!("a request was not complete within {:?}", self.bounds.progress));
                    }
                    Err(Ended::Refused(close)) => return End::Because(close.to_string()),
                    Err(Ended::OverBudget { bytes }) => {
                        return End::Because(format!(
                            "a request takes {bytes} bytes, more than 7/8 of --request-memory; send less at once, or raise it"
                        ));
                    }
                },
                _ = self.stopping.wait_for(|stopping| *stopping), if !self.stopping.get() => {}
                () = wait => {
                    // A frame may have begun since; then the reader has the time.
                    if !self.reader.is_in_frame() {
                        return End::Because(format!("idle for {:?}", self.bounds.idle));
                    }
                }
            }
        }
    }

    fn bring(&self, inbound: Inbound) {
        let Inbound { tag, version, request } = inbound;
        let event = Event::Client(self.id, ClientEvent::Request { tag, version, request });
        self.driver.bring(event, self.seat.is_alone());
    }

    /// Writes every answer whose turn it is.
    async fn write_answers(&mut self) -> Result<(), End> {
        // What is ready goes out together.
        while let Ok(mail) = self.mailbox.try_recv() {
            match mail {
                Mail::Reply(tag, response) => self.session.answer(tag, *response),
                Mail::Close => return Err(refused()),
            }
        }
        let mut wrote = false;
        while let Some(frame) = self.session.next_frame() {
            wrote = true;
            write_all(&mut self.stream, frame, self.bounds.progress).await?;
            if let Some(last) = self.session.take_reported() {
                self.driver.bring(Event::Client(self.id, ClientEvent::Taken { last }), false);
            }
        }
        while self.memory.len() > self.session.in_flight() {
            self.memory.pop_front();
        }
        if wrote {
            self.stream.flush().await?;
        }
        Ok(())
    }
}

/// Writes all slices, without joining them. The time is for each part that the client takes, not for the whole: an answer
/// has up to 55 MiB, and a client behind a slow line would ask for the same one again for ever.
async fn write_all<S: AsyncWrite + Unpin>(
    stream: &mut S,
    slices: Vec<Bytes>,
    progress: Duration,
) -> Result<(), End> {
    let mut rest: VecDeque<Bytes> = slices.into_iter().filter(|slice| !slice.is_empty()).collect();
    while !rest.is_empty() {
        let mut written = {
            let mut some = [IoSlice::new(&[]); SLICES];
            let count = rest.len().min(SLICES);
            for (slot, slice) in some.iter_mut().zip(&rest) {
                *slot = IoSlice::new(slice);
            }
            match timeout(progress, stream.write_vectored(&some[..count])).await {
                Ok(written) => written?,
                Err(_) => {
                    return Err(End::Because(format!("nothing of an answer was taken within {progress:?}")));
                }
            }
        };
        if written == 0 {
            return Err(io::Error::from(io::ErrorKind::WriteZero).into());
        }
        while let Some(first) = rest.front_mut()
            && written > 0
        {
            if written < first.len() {
                first.advance(written);
                break;
            }
            written -= first.len();
            rest.pop_front();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
