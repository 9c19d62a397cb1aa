//! Reads lives off scenes, one scene after the other.

use std::collections::BTreeMap;

use evenkeel_core::port::FileName;

use crate::{
    ledger::OpNumber,
    lifeline::{Copy, Durable, LastWrite, Life, Stage, Who, sync_failed, sync_hollow},
    trace::{Kind, Lane, Scene},
};

#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) lives: Vec<Life>,
    by_who: BTreeMap<Who, usize>,
    /// What is asked by each question: whom it is about, and who asks.
    asked: BTreeMap<(u64, u64), (Vec<Who>, usize)>,
    /// The newest write to the log that holds records, and what a sync made of it.
    last_write: Option<LastWrite>,
}

impl Reader {
    fn life(&mut self, who: &Who) -> Option<&mut Life> {
        self.by_who.get(who).map(|at| &mut self.lives[*at])
    }

    fn each(&mut self, ops: &[OpNumber], mut tell: impl FnMut(&mut Life)) {
        for op in ops {
            if let Some(life) = self.life(&Who::Batch(*op)) {
                tell(life);
            }
        }
    }

    pub(super) fn read(&mut self, at: usize, scene: &Scene) {
        match scene.kind {
            Kind::Ask => self.asks(at, scene),
            Kind::Arrive => self.travels(at, scene, Stage::Arrived, "reaches the broker"),
            Kind::Hear => self.travels(at, scene, Stage::Heard, "the answer reaches the client"),
            Kind::Answer => self.answers(at, scene),
            Kind::Write => self.writes(at, scene),
            Kind::Sync => self.syncs(at, scene),
            Kind::SyncFault => self.sync_fails(at, scene),
            Kind::Rename => self.renames(at, scene),
            Kind::Power => self.power_fails(at, scene),
            Kind::Check => {
                self.each(&scene.lost, |life| {
                    life.step(at, Stage::Missing, "is looked for by the oracle, and is not there");
                });
            }
            Kind::Violation => {
                self.each(&scene.ops, |life| {
                    if life.steps.last().is_none_or(|step| step.stage != Stage::Missing) {
                        life.step(at, Stage::Broken, "the oracle finds it otherwise");
                    }
                });
                if let Some(at_life) = self.of_topic(scene.topic.as_deref()) {
                    self.lives[at_life].step(at, Stage::Broken, "the oracle finds it otherwise");
                }
            }
            Kind::Cast
            | Kind::Start
            | Kind::Serve
            | Kind::Stopped
            | Kind::Halt
            | Kind::Turn
            | Kind::Notice
            | Kind::Break
            | Kind::Step
            | Kind::Create
            | Kind::Remove
            | Kind::Fault
            | Kind::Full
            | Kind::Stop
            | Kind::Kill
            | Kind::Machine
            | Kind::Calm
            | Kind::Fine => {}
        }
    }

    /// A question, or its answer, gets to the other side.
    fn travels(&mut self, at: usize, scene: &Scene, stage: Stage, words: &str) {
        let asked = scene.question.and_then(|question| self.asked.get(&question));
        for who in asked.map(|(whos, _)| whos.clone()).unwrap_or_default() {
            if let Some(life) = self.life(&who) {
                life.step(at, stage, words);
            }
        }
    }

    /// The newest life that is about that topic.
    fn of_topic(&self, topic: Option<&str>) -> Option<usize> {
        let topic = topic?;
        self.lives.iter().rposition(|life| {
            matches!(life.who, Who::Topic(..))
                && life.name.ends_with(&format!(" {topic}"))
                && life.first(Stage::Acked).is_some()
        })
    }

    fn asks(&mut self, at: usize, scene: &Scene) {
        let (Some(question), Lane::Client(client)) = (scene.question, scene.lane) else { return };
        let mut about: Vec<(Who, String)> =
            scene.ops.iter().map(|op| (Who::Batch(*op), format!("batch {}", op.0))).collect();
        if let Some(topic) = &scene.topic {
            let what = if scene.text.contains(": delete ") { "deletion of" } else { "creation of" };
            about.push((Who::Topic(question.0, question.1), format!("{what} {topic}")));
        }
        let whos = about.iter().map(|(who, _)| who.clone()).collect();
        self.asked.insert(question, (whos, client));
        for (who, name) in about {
            let lives = &mut self.lives;
            let life = *self.by_who.entry(who.clone()).or_insert_with(|| {
                lives.push(Life { who, name, place: None, steps: Vec::new(), copies: Vec::new() });
                lives.len() - 1
            });
            let again = if self.lives[life].steps.is_empty() { "sends it" } else { "sends it again" };
            self.lives[life].step(at, Stage::Sent, format!("client {client} {again}"));
        }
    }

    fn answers(&mut self, at: usize, scene: &Scene) {
        let Some((asked, client)) = scene.question.and_then(|question| self.asked.get(&question)).cloned()
        else {
            return;
        };
        for place in &scene.places {
            let Some(op) = place.op else { continue };
            let who = Who::Batch(op);
            let own = asked.contains(&who);
            let Some(life) = self.life(&who) else { continue };
            let offset = format!("offset {} of {}", place.offset, place.partition);
            if own {
                life.step(at, Stage::Acked, format!("client {client} is told: stored at {offset}"));
            } else {
                life.step(at, Stage::Read, format!("client {client} is given it at {offset}"));
            }
            life.place = Some(offset);
        }
        for who in asked {
            let told = |place: &crate::trace::Place| place.op.map(Who::Batch) == Some(who.clone());
            if scene.places.iter().any(told) {
                continue;
            }
            let last_write = self.last_write;
            let Some(life) = self.life(&who) else { continue };
            match who {
                Who::Batch(_) => {
                    life.step(at, Stage::Refused, format!("client {client} is told: not stored"))
                }
                Who::Topic(..) if scene.failed => {
                    life.step(at, Stage::Refused, format!("client {client} is told: not done"));
                }
                Who::Topic(..) => {
                    // Which record it is, only the broker knows: the newest write before the answer is the one it waited for.
                    if let Some(write) = last_write
                        && life.steps.last().is_some_and(|step| step.scene < write.scene)
                    {
                        life.waited_for(write);
                    }
                    life.step(at, Stage::Acked, format!("client {client} is told: done"));
                }
            }
        }
    }

    fn writes(&mut self, at: usize, scene: &Scene) {
        let Some(extent) = scene.extent else { return };
        let file = extent.file;
        if scene.lsns.is_some_and(|(first, upto)| first < upto) {
            self.last_write =
                Some(LastWrite { scene: at, file, durable: Durable::NotYet, decided: at, hollow: None });
        }
        self.each(&scene.ops, |life| {
            let words = format!("written to {file}, within {} bytes at {}", extent.bytes, extent.position);
            life.step(at, Stage::Written, words);
            life.copies.retain(|copy| copy.file != file);
            life.copies.push(Copy { file, durable: Durable::NotYet });
        });
    }

    fn decide(&mut self, at: usize, file: FileName, durable: Durable) {
        let Some(write) = self.last_write.as_mut().filter(|write| write.file == file) else { return };
        match (write.durable, durable) {
            (Durable::NotYet, _) => (write.durable, write.decided) = (durable, at),
            (Durable::Never, Durable::Yes) => write.hollow = write.hollow.or(Some(at)),
            (Durable::Yes | Durable::Never, _) => {}
        }
    }

    fn syncs(&mut self, at: usize, scene: &Scene) {
        let Some(extent) = scene.extent.filter(|_| !scene.failed) else { return };
        self.decide(at, extent.file, Durable::Yes);
        for life in &mut self.lives {
            let Some(copy) = life.copies.iter_mut().find(|copy| copy.file == extent.file) else { continue };
            match copy.durable {
                Durable::Yes => {}
                Durable::NotYet => {
                    copy.durable = Durable::Yes;
                    life.step(at, Stage::Synced, format!("synced with {}", extent.file));
                }
                Durable::Never => {
                    life.step(at, Stage::SyncHollow, sync_hollow(extent.file));
                }
            }
        }
    }

    fn sync_fails(&mut self, at: usize, scene: &Scene) {
        let Some(extent) = scene.extent else { return };
        self.decide(at, extent.file, Durable::Never);
        for life in &mut self.lives {
            let Some(copy) = life.copies.iter_mut().find(|copy| copy.file == extent.file) else { continue };
            if copy.durable == Durable::NotYet {
                copy.durable = Durable::Never;
                life.step(at, Stage::SyncFailed, sync_failed(extent.file));
            }
        }
    }

    fn renames(&mut self, at: usize, scene: &Scene) {
        let (Some(extent), Some(to)) = (scene.extent.filter(|_| !scene.failed), scene.renamed) else {
            return;
        };
        for life in &mut self.lives {
            let moves = life.copies.iter().any(|copy| copy.file == extent.file);
            life.copies.retain(|copy| copy.file != to);
            for copy in life.copies.iter_mut().filter(|copy| copy.file == extent.file) {
                copy.file = to;
            }
            if moves {
                life.step(at, Stage::Named, format!("{} becomes {to}", extent.file));
            }
        }
    }

    /// What is left of a file's bytes after the power came back is on the media.
    fn power_fails(&mut self, at: usize, scene: &Scene) {
        for life in &mut self.lives {
            let Who::Batch(op) = &life.who else { continue };
            if scene.lost.contains(op) {
                life.copies.clear();
                life.step(at, Stage::Lost, "the power fails, and it is gone");
            }
            for copy in &mut life.copies {
                copy.durable = Durable::Yes;
            }
        }
    }
}
