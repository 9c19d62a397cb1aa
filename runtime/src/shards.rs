//! Where connections live: a few threads, each with an event loop of its own.
//!
//! A connection stays on its thread. An executor that shares tasks among its threads wakes a second one for each request
//! of a single client: one waits for events, another one has the task. Here, the thread that a request arrives at reads,
//! decides, writes to the log and answers.

#[cfg(not(madsim))]
use std::{
    future::pending,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio::net::TcpStream;

/// The threads, or none: then connections are tasks of whoever accepts them.
#[derive(Debug, Default)]
pub struct Shards {
    #[cfg(not(madsim))]
    shards: Vec<Shard>,
}

/// One thread.
#[cfg(not(madsim))]
#[derive(Debug)]
struct Shard {
    handle: tokio::runtime::Handle,
    connections: Arc<AtomicUsize>,
}

/// A connection's place on a thread, until it is dropped.
#[derive(Debug, Default)]
pub struct Seat {
    #[cfg(not(madsim))]
    connections: Option<Arc<AtomicUsize>>,
}

impl Seat {
    /// Whether nobody else lives on this thread, so that it may wait for a disk.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        #[cfg(not(madsim))]
        let alone = self.connections.as_ref().is_some_and(|all| all.load(Ordering::Relaxed) == 1);
        #[cfg(madsim)]
        let alone = false;
        alone
    }
}

#[cfg(not(madsim))]
impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(connections) = &self.connections {
            connections.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(madsim)]
impl Shards {
    /// Starts a connection: in a simulation, where there are no threads, as a task.
    ///
    /// # Errors
    /// None.
    pub fn seat<F: Future<Output = ()> + Send + 'static>(
        &self,
        stream: TcpStream,
        serve: impl FnOnce(TcpStream, Seat) -> F + Send + 'static,
    ) -> std::io::Result<()> {
        tokio::spawn(serve(stream, Seat {}));
        Ok(())
    }
}

#[cfg(not(madsim))]
impl Shards {
    /// As many threads as several connections for each core need to have one of their own. They live as long as the process.
    ///
    /// # Errors
    /// The system gives no thread, or no event queue.
    pub fn start() -> io::Result<Shards> {
        let count = (4 * thread::available_parallelism().map_or(1, usize::from)).clamp(8, 64);
        let shards = (0..count).map(|_| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            thread::Builder::new()
                .name(String::from("connections"))
                .spawn(move || runtime.block_on(pending::<()>()))?;
            Ok(Shard { handle, connections: Arc::default() })
        });
        Ok(Shards { shards: shards.collect::<io::Result<_>>()? })
    }

    /// Starts a connection on the thread that has fewest.
    ///
    /// # Errors
    /// The socket cannot be moved to that thread's event queue; it is closed.
    pub fn seat<F: Future<Output = ()> + Send + 'static>(
        &self,
        stream: TcpStream,
        serve: impl FnOnce(TcpStream, Seat) -> F + Send + 'static,
    ) -> io::Result<()> {
        let fewest = self.shards.iter().min_by_key(|shard| shard.connections.load(Ordering::Relaxed));
        let Some(shard) = fewest else {
            tokio::spawn(serve(stream, Seat { connections: None }));
            return Ok(());
        };
        let stream = stream.into_std()?;
        shard.connections.fetch_add(1, Ordering::Relaxed);
        let seat = Seat { connections: Some(Arc::clone(&shard.connections)) };
        shard.handle.spawn(async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => serve(stream, seat).await,
                Err(error) => tracing::warn!("a connection cannot be served: {error}"),
            }
        });
        Ok(())
    }
}

#[cfg(all(test, not(madsim)))]
mod tests;
