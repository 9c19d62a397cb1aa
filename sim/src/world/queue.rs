//! What is going to happen, in the order of its time; of two things at one time the one that was planned first comes first.

use core::cmp::Ordering;
use std::collections::BinaryHeap;

/// Plans, of which the earliest is taken first.
#[derive(Clone, Debug)]
pub(super) struct Queue<T> {
    heap: BinaryHeap<Planned<T>>,
    planned: u64,
}

#[derive(Clone, Debug)]
struct Planned<T> {
    at: u64,
    number: u64,
    what: T,
}

impl<T> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue { heap: BinaryHeap::new(), planned: 0 }
    }
}

impl<T> Queue<T> {
    /// `what` happens at that time, in microseconds.
    pub(super) fn plan(&mut self, at: u64, what: T) {
        self.planned += 1;
        self.heap.push(Planned { at, number: self.planned, what });
    }

    /// The next thing, and its time.
    pub(super) fn next(&mut self) -> Option<(u64, T)> {
        self.heap.pop().map(|planned| (planned.at, planned.what))
    }
}

/// A heap has its greatest in front: the earliest.
impl<T> Ord for Planned<T> {
    fn cmp(&self, other: &Planned<T>) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl<T> PartialOrd for Planned<T> {
    fn partial_cmp(&self, other: &Planned<T>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Planned<T> {
    fn eq(&self, other: &Planned<T>) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Planned<T> {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::dice::Dice;

    #[test]
    fn plans_come_by_their_time_and_within_it_in_the_order_in_which_they_were_made() {
        let mut dice = Dice::new(3);
        let (mut queue, mut known) = (Queue::default(), BTreeMap::new());
        for number in 0..5000_u64 {
            let at = dice.below(50);
            queue.plan(at, number);
            known.insert((at, number), ());
            if dice.chance(480) {
                assert_eq!(queue.next(), known.pop_first().map(|(place, ())| place));
            }
        }
        while let Some((place, ())) = known.pop_first() {
            assert_eq!(queue.next(), Some(place));
        }
        assert_eq!(queue.next(), None);
    }
}
