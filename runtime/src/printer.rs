//! Log lines on their way to standard error. Printing never fails and never blocks the broker: lines wait in a bounded queue for a thread
//! that prints them. A line that finds the queue full, or cannot be written (a full disk, a closed pipe), is dropped and counted, and the
//! count is printed with the next line that can be.

use std::{
    io::{self, Write},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

/// Most bytes of lines that wait to be printed.
const QUEUE_BYTES_MAX: usize = 4 << 20;
/// Longest wait for the queue to become empty before the process ends.
const DRAIN_WAIT: Duration = Duration::from_secs(2);

/// The printer of this process.
static PRINTER: OnceLock<Printer> = OnceLock::new();

enum Line {
    Text(Vec<u8>),
    /// Everything in front of it is printed, or lost.
    Drained(Sender<()>),
}

/// Takes lines to be printed. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Printer {
    lines: Sender<Line>,
    queue: Arc<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    bytes: AtomicUsize,
    dropped: AtomicU64,
}

/// The printer of this process, which prints to standard error. A second call returns the same one.
///
/// # Errors
/// Its thread cannot be started.
pub fn of_process() -> io::Result<Printer> {
    if let Some(printer) = PRINTER.get() {
        return Ok(printer.clone());
    }
    let printer = Printer::start(io::stderr())?;
    Ok(PRINTER.get_or_init(|| printer).clone())
}

/// Waits until every line so far is printed, two seconds at most. To be called before the process ends.
pub fn drain() {
    if let Some(printer) = PRINTER.get() {
        printer.drain(DRAIN_WAIT);
    }
}

impl Printer {
    /// Starts the thread that prints to `out`.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn start(out: impl Write + Send + 'static) -> io::Result<Printer> {
        let (lines, to_print) = mpsc::channel();
        let queue = Arc::new(Queue::default());
        let printer = Printer { lines, queue: Arc::clone(&queue) };
        thread::Builder::new()
            .name(String::from("log-lines"))
            .spawn(move || print(&to_print, &queue, out))?;
        Ok(printer)
    }

    /// False: the time was not enough.
    fn drain(&self, within: Duration) -> bool {
        let (drained, wait) = mpsc::channel();
        self.lines.send(Line::Drained(drained)).is_ok()
            && wait.recv_timeout(within) != Err(RecvTimeoutError::Timeout)
    }
}

impl Write for Printer {
    /// Takes one line, or several, as a whole.
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let waiting = self.queue.bytes.fetch_add(text.len(), Ordering::Relaxed);
        if waiting + text.len() > QUEUE_BYTES_MAX || self.lines.send(Line::Text(text.to_vec())).is_err() {
            self.queue.bytes.fetch_sub(text.len(), Ordering::Relaxed);
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn print(lines: &Receiver<Line>, queue: &Queue, mut out: impl Write) {
    let mut unwritten = 0;
    for line in lines {
        match line {
            Line::Text(text) => {
                let dropped = queue.dropped.swap(0, Ordering::Relaxed) + unwritten;
                unwritten = match tell_dropped(dropped, &mut out) {
                    Ok(()) => u64::from(out.write_all(&text).is_err()),
                    Err(_) => dropped + 1,
                };
                queue.bytes.fetch_sub(text.len(), Ordering::Relaxed);
            }
            Line::Drained(drained) => {
                let dropped = queue.dropped.swap(0, Ordering::Relaxed) + unwritten;
                unwritten = if tell_dropped(dropped, &mut out).is_ok() { 0 } else { dropped };
                // Whoever waited may have gone on.
                let _ = drained.send(());
            }
        }
    }
}

fn tell_dropped(lines: u64, out: &mut impl Write) -> io::Result<()> {
    if lines == 0 {
        return Ok(());
    }
    writeln!(out, "{lines} log lines were lost here: standard error did not take them")
}

#[cfg(test)]
mod tests;
