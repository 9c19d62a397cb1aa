//! What is going to happen, in the order of its time; of two things at one time the one that was planned first comes first.

use core::cmp::Reverse;
use std::collections::BinaryHeap;

/// Plans, of which the earliest is taken first. What is planned stays in its place: only the times are sorted.
#[derive(Clone, Debug)]
pub(super) struct Queue<T> {
    /// Time and number of each plan as one number, the time in front; and where it is.
    times: BinaryHeap<Reverse<(u128, usize)>>,
    plans: Vec<Option<T>>,
    free: Vec<usize>,
    planned: u64,
}

impl<T> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue { times: BinaryHeap::new(), plans: Vec::new(), free: Vec::new(), planned: 0 }
    }
}

impl<T> Queue<T> {
    /// `what` happens at that time, in microseconds.
    pub(super) fn plan(&mut self, at: u64, what: T) {
        self.planned += 1;
        let place = self.free.pop().unwrap_or(self.plans.len());
        match self.plans.get_mut(place) {
            Some(free) => *free = Some(what),
            None => self.plans.push(Some(what)),
        }
        self.times.push(Reverse((u128::from(at) << 64 | u128::from(self.planned), place)));
    }

    /// The next thing, and its time.
    pub(super) fn next(&mut self) -> Option<(u64, T)> {
        let Reverse((time, place)) = self.times.pop()?;
        self.free.push(place);
        let what = self.plans[place].take().expect("a time has its plan");
        Some((u64::try_from(time >> 64).expect("the upper half"), what))
    }
}

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
