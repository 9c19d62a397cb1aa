//! A run in a file: `repro.toml`. It names the seed, every setting and every choice that is not the simplest one, and what
//! came out; whoever has the same revision gets the same run from it.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use crate::{
    json::quoted,
    mutant::Mutant,
    script::Script,
    shape::Shape,
    tape::{Choices, Tape},
    toml::{self, Value},
    world::Outcome,
};

/// A run, and what is known of it.
#[derive(Clone, Debug)]
pub struct Repro {
    /// All that it is a function of.
    pub script: Script,
    /// The seed whose run was shrunk to this one.
    pub found_by: Option<u64>,
    /// The revision that it was made with, if that is known.
    pub commit: Option<String>,
    /// What was broken: its name.
    pub violation: Option<String>,
    /// The hash over its events.
    pub hash: Option<String>,
    /// For a museum: what the bug was.
    pub story: Option<String>,
}

impl Repro {
    /// What a run was, and what came out.
    #[must_use]
    pub fn of(script: Script, outcome: &Outcome, commit: Option<String>) -> Repro {
        Repro {
            script,
            found_by: None,
            commit,
            violation: outcome.violation.as_ref().map(|violation| violation.name.to_string()),
            hash: Some(outcome.digest.clone()),
            story: None,
        }
    }

    /// As a file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::from(
            "# A run of the simulator: `cargo sim replay` with this file, or the folder it is in.\n",
        );
        let mut line = |key: &str, value: &str| writeln!(out, "{key} = {value}").expect("a string takes all");
        line("seed", &self.script.seed.to_string());
        if let Some(mutant) = self.script.mutant {
            line("mutant", &quoted(mutant.name()));
        }
        if let Some(seed) = self.found_by {
            line("found_by_seed", &seed.to_string());
        }
        line("version", &quoted(env!("CARGO_PKG_VERSION")));
        let known = [
            ("commit", &self.commit),
            ("violation", &self.violation),
            ("hash", &self.hash),
            ("story", &self.story),
        ];
        for (key, value) in known {
            if let Some(value) = value {
                line(key, &quoted(value));
            }
        }
        out.push_str("\n[shape]\n");
        for (name, value) in self.script.shape.settings() {
            writeln!(out, "{name} = {value}").expect("a string takes all");
        }
        if let Some(choices) = &self.script.choices {
            out.push_str(
                "\n# Choices in the order in which they are made; behind the end of a line, 0.\n[choices]\n",
            );
            for (domain, tape) in &choices.0 {
                writeln!(out, "{} = {}", quoted(domain), quoted(&tape.to_string()))
                    .expect("a string takes all");
            }
        }
        out
    }

    /// From a file.
    ///
    /// # Errors
    /// Says what is not understood.
    pub fn parse(text: &str) -> Result<Repro, String> {
        let mut document = toml::parse(text)?;
        let mut front = document.remove("").unwrap_or_default();
        front.remove("version");
        let Some(Value::Number(seed)) = front.remove("seed") else {
            return Err(String::from("a repro needs a seed"));
        };
        let found_by = match front.remove("found_by_seed") {
            Some(Value::Number(seed)) => Some(seed),
            Some(Value::Text(_)) => return Err(String::from("found_by_seed is a number")),
            None => None,
        };
        let mutant = match take_text(&mut front, "mutant")? {
            Some(name) => Some(Mutant::named(&name).ok_or(format!("no planted bug {name:?}"))?),
            None => None,
        };
        let mut shape = Shape::lite(seed);
        let settings = document.remove("shape").unwrap_or_default();
        if !settings.is_empty() {
            // What the file does not name did not exist when it was written.
            for (name, _) in shape.settings() {
                shape.set(name, 0)?;
            }
        }
        for (name, value) in settings {
            let Value::Number(value) = value else { return Err(format!("{name} is not a number")) };
            shape.set(&name, value)?;
        }
        shape.config.check()?;
        let choices = match document.remove("choices") {
            Some(tapes) => Some(parse_choices(tapes)?),
            None => None,
        };
        let repro = Repro {
            script: Script { seed, shape, mutant, choices, forks: Vec::new() },
            found_by,
            commit: take_text(&mut front, "commit")?,
            violation: take_text(&mut front, "violation")?,
            hash: take_text(&mut front, "hash")?,
            story: take_text(&mut front, "story")?,
        };
        match front.keys().chain(document.keys()).next() {
            Some(unknown) => Err(format!("{unknown:?} is not known here")),
            None => Ok(repro),
        }
    }
}

fn parse_choices(tapes: BTreeMap<String, Value>) -> Result<Choices, String> {
    let mut choices = Choices::default();
    for (domain, value) in tapes {
        let Value::Text(text) = value else { return Err(format!("the choices of {domain} are not a text")) };
        choices.0.insert(domain, Tape::parse(&text)?);
    }
    Ok(choices)
}

fn take_text(front: &mut BTreeMap<String, Value>, key: &str) -> Result<Option<String>, String> {
    match front.remove(key) {
        Some(Value::Text(text)) => Ok(Some(text)),
        None => Ok(None),
        Some(Value::Number(_)) => Err(format!("{key} is not a text")),
    }
}
