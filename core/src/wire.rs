//! The edge that faces clients: frames, versions, decoding, batch checks, reply order, encoding.
//! Pure functions and one small state machine per connection; runs in the connection's task.

pub mod batch;
