//! Frames out of a byte stream: four bytes of length, then so many bytes, each frame in memory of its own size.
//!
//! Small frames are copied out of a shared read buffer, large ones are read straight into their own. So a frame whose
//! batches stay in the cache keeps nothing else in memory. Memory for a frame is taken from a budget *before* it is
//! allocated; whoever is out of budget is simply not read from.

use std::{io, sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use evenkeel_core::wire::session::{Close, frame_len};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

/// Small: what a large frame begins with is copied out of it, and each idle connection keeps one.
const BUFFER_BYTES: usize = 8 << 10;
/// Bytes that one permit of the budget stands for.
pub const PERMIT_BYTES: usize = 1 << 10;

/// Memory for requests, shared by all connections.
#[derive(Clone, Debug)]
pub struct Budget {
    permits: Arc<Semaphore>,
    total: u32,
}

impl Budget {
    /// A budget of so many bytes, rounded up to whole KiB.
    #[must_use]
    pub fn new(bytes: u64) -> Budget {
        let total = u32::try_from(bytes.div_ceil(PERMIT_BYTES as u64)).unwrap_or(u32::MAX >> 4);
        Budget { permits: Arc::new(Semaphore::new(total as usize)), total }
    }

    fn permits_for(frame_len: usize) -> u32 {
        u32::try_from(frame_len.div_ceil(PERMIT_BYTES)).expect("frames are bounded at 100 MiB")
    }
}

/// A frame and the memory it holds.
#[derive(Debug)]
pub struct Frame {
    /// Without the length.
    pub bytes: Bytes,
    /// Given back when this is dropped.
    pub memory: OwnedSemaphorePermit,
}

/// Why no frame comes any more.
#[derive(Debug)]
pub enum Ended {
    /// The client closed the connection between two frames, or broke it.
    Gone(Option<io::Error>),
    /// The client began a frame and did not complete it in time.
    Slow,
    /// The client sent what cannot be a frame.
    Refused(Close),
    /// The frame is larger than the whole budget.
    OverBudget {
        /// Its length in bytes.
        len: usize,
    },
}

#[derive(Debug)]
enum State {
    /// The length is not known yet.
    Length,
    /// The length is known, the memory is not granted yet.
    Memory { len: usize },
    /// Reading into memory of its own.
    Body { memory: OwnedSemaphorePermit, body: BytesMut, missing: usize },
}

/// Cuts frames out of a stream.
#[derive(Debug)]
pub struct FrameReader {
    buffer: BytesMut,
    state: State,
    budget: Budget,
    progress: Duration,
    /// When the frame that was begun must be complete. Kept here, so that neither a begin in the middle of a wait nor
    /// answers to other requests give a slow sender more time.
    due: Option<Instant>,
}

impl FrameReader {
    /// A reader at the start of a stream.
    #[must_use]
    pub fn new(budget: Budget, progress: Duration) -> FrameReader {
        FrameReader { buffer: BytesMut::new(), state: State::Length, budget, progress, due: None }
    }

    /// Nobody reads for now: the client gets its whole time again when somebody does.
    pub fn excuse(&mut self) {
        self.due = None;
    }

    /// Whether a frame has been begun and is not complete.
    #[must_use]
    pub fn is_in_frame(&self) -> bool {
        !self.buffer.is_empty() || !matches!(self.state, State::Length)
    }

    /// The next frame. May be dropped at any await and called again: everything read so far is kept.
    ///
    /// # Errors
    /// No further frame can come; the connection is to be closed.
    pub async fn next<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> Result<Frame, Ended> {
        loop {
            match &mut self.state {
                State::Length => match self.buffer.first_chunk::<4>() {
                    Some(prefix) => {
                        let len = frame_len(*prefix).map_err(Ended::Refused)?;
                        if Budget::permits_for(len) > self.budget.total {
                            return Err(Ended::OverBudget { len });
                        }
                        self.state = State::Memory { len };
                    }
                    None => self.fill(stream).await?,
                },
                State::Memory { len } => {
                    let len = *len;
                    let permits =
                        Arc::clone(&self.budget.permits).acquire_many_owned(Budget::permits_for(len));
                    // The client waits for us here, not we for it.
                    self.due = None;
                    let memory = permits.await.expect("the budget is never closed");
                    let here = (self.buffer.len() - 4).min(len);
                    let mut body = BytesMut::with_capacity(len);
                    body.put_slice(&self.buffer[4..4 + here]);
                    let _ = self.buffer.split_to(4 + here);
                    self.state = State::Body { memory, body, missing: len - here };
                }
                State::Body { body, missing, .. } if *missing > 0 => {
                    let due = *self.due.get_or_insert_with(|| Instant::now() + self.progress);
                    match timeout(left(due), stream.read_buf(&mut body.limit(*missing))).await {
                        Ok(Ok(0)) => return Err(Ended::Gone(None)),
                        Ok(Ok(got)) => *missing -= got,
                        Ok(Err(error)) => return Err(Ended::Gone(Some(error))),
                        Err(_) => return Err(Ended::Slow),
                    }
                }
                State::Body { .. } => {
                    let State::Body { memory, body, .. } = std::mem::replace(&mut self.state, State::Length)
                    else {
                        unreachable!("it was just looked at")
                    };
                    self.due = None;
                    return Ok(Frame { bytes: body.freeze(), memory });
                }
            }
        }
    }

    async fn fill<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> Result<(), Ended> {
        let begun = !self.buffer.is_empty();
        if self.buffer.capacity() - self.buffer.len() < 4 {
            self.buffer.reserve(BUFFER_BYTES);
        }
        let read = stream.read_buf(&mut self.buffer);
        let got = if !begun {
            Ok(read.await)
        } else {
            timeout(left(*self.due.get_or_insert_with(|| Instant::now() + self.progress)), read).await
        };
        match got {
            Ok(Ok(0)) => Err(Ended::Gone(None)),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Ended::Gone(Some(error))),
            Err(_) => Err(Ended::Slow),
        }
    }
}

fn left(due: Instant) -> Duration {
    due.saturating_duration_since(Instant::now())
}

#[cfg(test)]
mod tests;
