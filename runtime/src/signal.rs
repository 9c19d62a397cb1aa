//! A value that others wait for. Those who wait wake in the order in which they began to: `tokio::sync::watch` draws that
//! order from a generator of the process, and a simulated world would not be a function of its seed.

use std::sync::{Mutex, MutexGuard};

use tokio::sync::Notify;

/// The value.
#[derive(Debug)]
pub struct Signal<T> {
    value: Mutex<T>,
    changed: Notify,
}

impl<T: Clone> Signal<T> {
    /// A value to begin with.
    pub fn new(value: T) -> Signal<T> {
        Signal { value: Mutex::new(value), changed: Notify::new() }
    }

    fn value(&self) -> MutexGuard<'_, T> {
        self.value.lock().expect("nobody panics while holding the value")
    }

    /// The value as it is now.
    pub fn get(&self) -> T {
        self.value().clone()
    }

    /// Changes the value and wakes whoever waits.
    pub fn set(&self, value: T) {
        *self.value() = value;
        self.changed.notify_waiters();
    }

    /// Waits until the value is such. Values between two looks may be missed. May be dropped at any time.
    pub async fn wait_for(&self, is_such: impl Fn(&T) -> bool) -> T {
        loop {
            // Before the look: a change after it wakes us, even if it comes before we wait.
            let changed = self.changed.notified();
            let value = self.get();
            if is_such(&value) {
                return value;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests;
