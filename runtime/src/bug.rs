//! What happens when a part that everything depends on panics.

use crate::printer;

/// Ends the process if the scope it is held in panics. Held where a panic would otherwise leave a broker that looks alive
/// and never answers again: around the brain, whose state can no longer be trusted, and on the disk threads.
#[derive(Debug)]
pub(crate) struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(
                "the broker has a bug and ends at once; the log is safe, the next start recovers"
            );
            printer::drain();
            std::process::abort();
        }
    }
}
