//! A broken promise, told to a person: what was promised, what happened then, what was found.

use core::fmt::Write as _;

use crate::{
    lifeline::{Life, Stage, Who},
    trace::{Kind, Lane, Scene},
    violation::{Subject, Violation},
};

/// Faults that a sentence names; more are only counted.
const FAULTS_NAMED: usize = 4;
/// Events at the end of a report.
const LAST_EVENTS: usize = 30;

/// The story in three sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    /// What was promised, to whom, when.
    pub promised: String,
    /// What happened to it, and which faults fell in between.
    pub between: String,
    /// What was found.
    pub found: String,
    /// The life that it is about, if it is about one.
    pub subject: Option<usize>,
}

impl Telling {
    /// All three.
    #[must_use]
    pub fn sentences(&self) -> [&str; 3] {
        [&self.promised, &self.between, &self.found]
    }
}

/// A moment, for people.
#[must_use]
pub fn ms(micros: u64) -> String {
    format!("{}.{:03} ms", micros / 1000, micros % 1000)
}

/// File names without the zeros that pad their numbers.
fn short(text: &str) -> String {
    let (mut out, mut pads) = (String::with_capacity(text.len()), false);
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let is_pad = pads && character == '0' && rest.peek().is_some_and(char::is_ascii_digit);
        pads = character == '-' || is_pad;
        if !is_pad {
            out.push(character);
        }
    }
    out
}

/// Tells what happened.
#[must_use]
pub fn tell(scenes: &[Scene], lives: &[Life], violation: &Violation) -> Telling {
    let subject = subject(scenes, lives, violation);
    let life = subject.map(|at| &lives[at]);
    Telling {
        promised: short(
            &life.map_or_else(|| promised_in_all(scenes), |life| promised(scenes, life, violation)),
        ),
        between: short(&between(scenes, life)),
        found: short(&found(scenes, violation)),
        subject,
    }
}

/// The life that the promise was about; if it was about none, that of something which was promised and is not there.
fn subject(scenes: &[Scene], lives: &[Life], violation: &Violation) -> Option<usize> {
    let last = scenes.len().checked_sub(1)?;
    let batch = |op| lives.iter().position(|life| life.who == Who::Batch(op));
    match violation.subject {
        Some(Subject::Batch { op, .. }) => batch(op),
        Some(Subject::Topic(_)) => {
            lives.iter().rposition(|life| life.steps.iter().any(|step| step.scene == last))
        }
        None => {
            let gone = scenes.iter().rev().find(|scene| scene.kind == Kind::Check)?;
            gone.lost.iter().find_map(|op| batch(*op))
        }
    }
}

/// The first time that somebody was told; of a batch that was stored twice, the first time of the offset that it is about.
fn told<'a>(life: &'a Life, violation: &Violation) -> Option<&'a crate::lifeline::Step> {
    let mut told = life.steps.iter().filter(|step| matches!(step.stage, Stage::Acked | Stage::Read));
    let place = match violation.subject {
        Some(Subject::Batch { offset, .. }) => format!(" offset {offset} of "),
        Some(Subject::Topic(_)) | None => return told.next(),
    };
    told.clone().find(|step| step.words.contains(&place)).or_else(|| told.next())
}

fn client_name(scenes: &[Scene], client: usize) -> String {
    let cast = scenes.iter().find(|scene| scene.kind == Kind::Cast && scene.lane == Lane::Client(client));
    format!("client {client} ({})", cast.map_or("?", |scene| scene.text.as_str()))
}

/// The client that heard it: each step of that kind begins with "client N".
fn with_kind_of_client(scenes: &[Scene], words: &str) -> String {
    let number = words.strip_prefix("client ").and_then(|rest| rest.split(' ').next());
    let Some(number) = number.and_then(|number| number.parse::<usize>().ok()) else {
        return words.to_string();
    };
    words.replacen(&format!("client {number}"), &client_name(scenes, number), 1)
}

fn promised(scenes: &[Scene], life: &Life, violation: &Violation) -> String {
    let Some(step) = told(life, violation) else {
        return format!("Nobody was promised anything about {}.", life.name);
    };
    let at = ms(scenes[step.scene].micros);
    let name = match life.who {
        Who::Batch(_) => life.name.clone(),
        Who::Topic(..) => format!("the {}", life.name),
    };
    let words = with_kind_of_client(scenes, &step.words)
        .replacen(" is told: ", &format!(" was told that {name} is "), 1)
        .replacen(" is given it ", &format!(" was given {name} "), 1);
    format!("At {at} {words}.")
}

fn promised_in_all(scenes: &[Scene]) -> String {
    let mut acks = scenes.iter().filter(|scene| scene.kind == Kind::Answer && !scene.failed);
    let answers = acks.clone().count();
    let batches: usize = acks.clone().map(|scene| scene.places.len()).sum();
    match acks.next_back() {
        Some(last) => format!(
            "Clients had {answers} answers, with {batches} batches at their offsets, the last at {} ({}).",
            ms(last.micros),
            last.text
        ),
        None => String::from("Nobody had been promised anything yet but that the broker starts."),
    }
}

/// What became of its bytes, and what went wrong after they were written, or after all had been well.
fn between(scenes: &[Scene], life: Option<&Life>) -> String {
    let mut sentence = String::new();
    if let Some(life) = life {
        sentence.push_str(&bytes_of(scenes, life));
    }
    let from = life.and_then(|life| life.steps.first()).map_or(0, |step| step.scene);
    // A sync that failed is told of with the bytes already.
    let is_news =
        |scene: &&Scene| scene.kind.is_fault() && !(life.is_some() && scene.kind == Kind::SyncFault);
    let faults: Vec<&Scene> = scenes[from..].iter().filter(is_news).collect();
    if faults.is_empty() {
        let failed = life.is_some_and(|life| life.first(Stage::SyncFailed).is_some());
        sentence.push_str(match (life, failed) {
            (None, _) => "No fault was needed.",
            (Some(_), false) => "; no fault fell in between.",
            (Some(_), true) => "; nothing else went wrong.",
        });
        return sentence;
    }
    let skipped = faults.len().saturating_sub(FAULTS_NAMED);
    let named: Vec<String> =
        faults[skipped..].iter().map(|fault| format!("{} ({})", fault.text, ms(fault.micros))).collect();
    sentence.push_str(if sentence.is_empty() {
        "What went wrong: "
    } else {
        "; what else went wrong since: "
    });
    if skipped > 0 {
        write!(sentence, "{skipped} faults, then ").expect("a string takes all");
    }
    write!(sentence, "{}.", named.join(", then ")).expect("a string takes all");
    sentence
}

fn bytes_of(scenes: &[Scene], life: &Life) -> String {
    let Some(written) = life.first(Stage::Written) else {
        return String::from("No write held its bytes");
    };
    let mut text = format!("It was {} at {}", written.words, ms(scenes[written.scene].micros));
    let rest: Vec<String> = life
        .steps
        .iter()
        .filter_map(|step| {
            let at = ms(scenes[step.scene].micros);
            match step.stage {
                Stage::Synced | Stage::SyncFailed | Stage::SyncHollow | Stage::Named => {
                    Some(format!("{} ({at})", step.words))
                }
                Stage::Lost => Some(format!("at {at} {}", step.words)),
                Stage::Sent
                | Stage::Arrived
                | Stage::Written
                | Stage::Acked
                | Stage::Refused
                | Stage::Heard
                | Stage::Read
                | Stage::Missing
                | Stage::Broken => None,
            }
        })
        .collect();
    if rest.is_empty() {
        text.push_str(", and never synced");
    } else {
        write!(text, ", then {}", rest.join(", then ")).expect("a string takes all");
    }
    text
}

fn found(scenes: &[Scene], violation: &Violation) -> String {
    let Some(last) = scenes.last() else { return violation.to_string() };
    let detail = last.text.strip_prefix("VIOLATION ").unwrap_or(&last.text);
    let mut lines = detail.lines();
    let mut detail = lines.next().unwrap_or_default().trim_end_matches('.').to_string();
    if let Some(evidence) = lines.map(str::trim).find(|line| line.starts_with("found:")) {
        write!(detail, "; {evidence}").expect("a string takes all");
    }
    let at = ms(last.micros);
    let detail = detail.strip_prefix(&format!("{}: ", violation.name)).unwrap_or(&detail);
    let detail = detail.strip_prefix("if the power failed as this answer leaves: ").unwrap_or(detail);
    let check = scenes.iter().rev().take(2).find(|scene| scene.kind == Kind::Check);
    match check.and_then(|check| check.text.split_once(" Not synced by now: ")) {
        Some((question, unsynced)) if question.starts_with("what if") => {
            format!("At {at} the oracle asks: {question} Not synced by then: {unsynced}; it finds: {detail}.")
        }
        Some((question, "nothing")) => format!("At {at} the oracle {} {detail}.", with_colon(question)),
        Some((question, unsynced)) => {
            format!("At {at} the oracle {} {detail}. Not synced by then: {unsynced}.", with_colon(question))
        }
        None => format!("At {at} it shows: {detail}."),
    }
}

fn with_colon(question: &str) -> String {
    if question.ends_with([':', '?']) { question.to_string() } else { format!("{question}:") }
}

/// The report as Markdown. `front`: what is known about the run, as name and value.
#[must_use]
pub fn markdown(
    scenes: &[Scene],
    lives: &[Life],
    violation: &Violation,
    telling: &Telling,
    front: &[(&str, String)],
) -> String {
    let mut out = format!("# {}\n\n", violation.name);
    let mut add = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    for sentence in telling.sentences() {
        add(&format!("{sentence}\n"));
    }
    add(&format!("## The promise\n\n{}\n", violation.promise()));
    let full = scenes.last().map_or("", |scene| scene.text.as_str());
    add(&format!("What the oracle says in full:\n\n```text\n{full}\n```\n\n## The run\n"));
    for (name, value) in front {
        add(&format!("- {name}: {value}"));
    }
    if let Some(life) = telling.subject.map(|at| &lives[at]) {
        add(&format!("\n## The life of {}\n\n```text", life.name));
        for step in &life.steps {
            add(&format!("{:>14}  {}", ms(scenes[step.scene].micros), step.words));
        }
        add("```");
    }
    add("\n## What was done to the broker\n\n```text");
    for scene in scenes.iter().filter(|scene| scene.kind.is_fault()) {
        add(&scene.line());
    }
    add("```\n\n## The last events\n\n```text");
    for scene in &scenes[scenes.len().saturating_sub(LAST_EVENTS)..] {
        add(&scene.line());
    }
    add("```");
    out
}
