//! Frames out of a byte stream: four bytes of length, then that many bytes, each frame in memory of its own size.
//!
//! Small frames are gathered in a read buffer and copied out of it, large ones are read straight into their own memory. So a frame whose
//! batches stay in the cache keeps nothing else in memory. Memory for a frame is taken from a [`Budget`](crate::budget) *before* it is
//! allocated, and only as bytes arrive: a client that announces a large frame and sends nothing holds nothing. While there is none, the
//! connection is not read from.

use std::{io, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use evenkeel_core::wire::session::{self, Checked, Close, frame_len};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::{Instant, timeout},
};

use crate::budget::{Client, Memory, REQUEST_BYTES, SMALL_BYTES};

/// Small: what a large frame begins with is copied out of it, and each idle connection keeps one.
const BUFFER_BYTES: usize = 8 << 10;
/// Size of a frame up to which its memory comes in two parts: a small one, and the rest once that part is there.
const STEP_BYTES: usize = 1 << 20;
/// Factor by which the memory of a larger frame grows.
const STEP_FACTOR: usize = 4;

/// A frame and the memory it holds.
#[derive(Debug)]
pub struct Frame {
    /// The request in it, with the shape that its API has.
    pub request: Checked,
    /// Given back when this is dropped.
    pub memory: Memory,
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
    /// The request takes more memory than all requests together may have.
    OverBudget {
        /// What it takes, bytes.
        bytes: usize,
    },
}

#[derive(Debug)]
enum State {
    /// The length is not known yet.
    Length,
    /// The length is known, the memory is not granted yet.
    Begun { len: usize },
    /// Reading into memory of its own.
    Body { memory: Memory, body: Vec<u8>, len: usize },
    /// Complete; what it takes decoded is not granted yet.
    Checked { memory: Memory, request: Checked },
}

/// Cuts frames out of a stream.
#[derive(Debug)]
pub struct FrameReader {
    buffer: BytesMut,
    state: State,
    client: Client,
    progress: Duration,
    /// When the frame that was begun must be complete. Kept here, so that neither a begin in the middle of a wait nor
    /// answers to other requests give a slow sender more time.
    due: Option<Instant>,
}

impl FrameReader {
    /// A reader at the start of a stream.
    #[must_use]
    pub fn new(client: Client, progress: Duration) -> FrameReader {
        FrameReader { buffer: BytesMut::new(), state: State::Length, client, progress, due: None }
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
                        self.check_size(len + REQUEST_BYTES)?;
                        self.state = State::Begun { len };
                    }
                    None => self.fill(stream).await?,
                },
                State::Begun { len } if self.buffer.len() < (4 + *len).min(BUFFER_BYTES) => {
                    self.fill(stream).await?;
                }
                State::Begun { len } => {
                    let len = *len;
                    let first = if len <= SMALL_BYTES { len } else { SMALL_BYTES };
                    let memory = self.client.take(first + REQUEST_BYTES, len - first).await;
                    // The client waited for us, not we for it.
                    self.due = None;
                    let here = (self.buffer.len() - 4).min(len);
                    let mut body = Vec::with_capacity(first);
                    body.put_slice(&self.buffer[4..4 + here]);
                    let _ = self.buffer.split_to(4 + here);
                    self.state = State::Body { memory, body, len };
                }
                State::Body { memory, body, len } if body.len() == body.capacity() && body.len() < *len => {
                    let more = step(body.len(), *len);
                    let left = *len - body.len() - more;
                    if !memory.try_grow(more, left) {
                        memory.grow(more, left).await;
                        self.due = None;
                    }
                    body.reserve_exact(more);
                }
                State::Body { body, len, .. } if body.len() < *len => {
                    let due = *self.due.get_or_insert_with(|| Instant::now() + self.progress);
                    let room = body.capacity().min(*len) - body.len();
                    match timeout(left(due), stream.read_buf(&mut body.limit(room))).await {
                        Ok(Ok(0)) => return Err(Ended::Gone(None)),
                        Ok(Ok(_)) => {}
                        Ok(Err(error)) => return Err(Ended::Gone(Some(error))),
                        Err(_) => return Err(Ended::Slow),
                    }
                }
                State::Body { .. } => {
                    let State::Body { memory, body, .. } = std::mem::replace(&mut self.state, State::Length)
                    else {
                        unreachable!("it was just looked at")
                    };
                    let request = session::check(Bytes::from(body)).map_err(Ended::Refused)?;
                    self.state = State::Checked { memory, request };
                }
                State::Checked { memory, request } => {
                    // Its first part is in what every request takes.
                    let weight = request.weight().saturating_sub(REQUEST_BYTES / 2);
                    if weight > 0 {
                        let bytes = weight.saturating_add(memory.bytes());
                        if !self.client.could_take(bytes) {
                            return Err(Ended::OverBudget { bytes });
                        }
                        let due = *self.due.get_or_insert_with(|| Instant::now() + self.progress);
                        timeout(left(due), memory.grow(weight, 0)).await.map_err(|_| Ended::Slow)?;
                    }
                    let State::Checked { memory, request } =
                        std::mem::replace(&mut self.state, State::Length)
                    else {
                        unreachable!("it was just looked at")
                    };
                    self.due = None;
                    return Ok(Frame { request, memory });
                }
            }
        }
    }

    fn check_size(&self, bytes: usize) -> Result<(), Ended> {
        if self.client.could_take(bytes) { Ok(()) } else { Err(Ended::OverBudget { bytes }) }
    }

    async fn fill<S: AsyncRead + Unpin>(&mut self, stream: &mut S) -> Result<(), Ended> {
        let begun = !self.buffer.is_empty();
        if self.buffer.capacity() == self.buffer.len() || self.buffer.capacity() < BUFFER_BYTES {
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

/// How much memory a frame gets more that has this much, and all of it is full.
fn step(has: usize, len: usize) -> usize {
    let upto = (has * STEP_FACTOR).max(STEP_BYTES).min(len);
    upto - has
}

fn left(due: Instant) -> Duration {
    due.saturating_duration_since(Instant::now())
}

#[cfg(test)]
mod tests;
