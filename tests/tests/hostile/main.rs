//! A stranger with a socket: bytes that no client sends, and requests that cost more than they are worth. None of them needs to log in.
//!
//! Each attack runs against the real binary with its default settings, beside an ordinary producer. The broker lives, its memory stays
//! below 512 MiB, the producer's records are acknowledged, and the peak is printed.

mod answers;
mod bytes;
mod memory;
mod siege;
mod structures;
