//! The edge that faces clients: frames, versions, decoding, batch checks, reply order, encoding.
//! Pure functions and one small state machine per connection; runs in the connection's task.
//!
//! In: [`session::Session::receive`] takes a frame, `header` reads who asks for what, `preflight` walks the
//! body along its `schema` so that nothing a client writes can make us allocate out of proportion, the
//! `kafka-protocol` crate decodes it, `repeats` keeps one of equal names, and `intake` verifies the batches of a produce request.
//! Out: `answer` encodes, `fetch` with record bytes left where they are, and [`records`] searches inside
//! batches. The session gives the frames out in request order.

mod answer;
pub mod api;
pub mod batch;
mod decompress;
mod fetch;
mod header;
mod inflated;
mod intake;
mod preflight;
pub mod records;
mod repeats;
pub mod schema;
pub mod session;
mod varint;

#[cfg(test)]
mod sample;
