//! Other continuations of one world: from a step on every choice is another one.

use crate::{
    script::Fork,
    world::{Outcome, World},
};

impl World {
    /// Runs to the end; after each step in which the broker came by a mark, `see` may look at the world, and copy it.
    pub fn run_seen(mut self, see: &mut dyn FnMut(&World)) -> Outcome {
        self.follows_marks = true;
        self.run_watched(&mut |world| {
            if !world.recent_marks.is_empty() {
                see(world);
            }
        })
    }

    /// Runs to the end, and keeps a copy of how it stood after that many steps.
    #[must_use]
    pub fn run_until(self, step: u64, copy: &mut Option<World>) -> Outcome {
        self.run_watched(&mut |world| {
            if world.happened == step {
                *copy = Some(world.clone());
            }
        })
    }

    /// Goes on with other choices, in every domain.
    pub fn fork(&mut self, fork: Fork) {
        let salt = fork.salt;
        let World { courier, latency, network, oracle, faults, weather, lies, .. } = self;
        for dice in [courier, latency, network, oracle, faults, weather, lies] {
            dice.reseed(salt);
        }
        for client in &mut self.clients {
            client.reseed(salt);
        }
        self.disk.reseed(salt);
    }

    /// Forks that the script asks for at this step.
    pub(super) fn fork_where_asked(&mut self) {
        while let Some(fork) = self.forks.first().copied().filter(|fork| fork.step == self.happened) {
            self.forks.remove(0);
            self.fork(fork);
        }
    }

    /// Steps done so far: a fork is named by it.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.happened
    }

    /// Events told so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.story.events()
    }

    /// Marks that the broker came by in the last step, in their order. Starts on copies do not count.
    #[must_use]
    pub fn recent_marks(&self) -> &[u16] {
        &self.recent_marks
    }
}
