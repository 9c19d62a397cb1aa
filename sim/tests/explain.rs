//! What a failure leaves: a small run, and everything that explains it.

use std::{fs, path::PathBuf, time::Duration};

use evenkeel_core::port::FileName;
use evenkeel_sim::{
    artefact,
    lifeline::{self, Stage},
    mutant::Mutant,
    report,
    repro::Repro,
    run,
    script::{Script, Watch},
    shape::Size,
    shrink::{self, Limits},
    trace::Kind,
    violation::Subject,
    world::Outcome,
};

/// The first seed that finds a planted bug, and its run.
fn found(name: &str, wanted: impl Fn(&Outcome) -> bool) -> (u64, Mutant, Outcome) {
    let mutant = Mutant::named(name).expect("it is in the catalogue");
    (1..2000)
        .map(|seed| (seed, mutant, run::script(&Script::of_seed(seed, Some(mutant)), Watch::ALL)))
        .find(|(_, _, outcome)| outcome.violation.is_some() && wanted(outcome))
        .expect("it is found within these seeds")
}

#[test]
fn a_run_is_the_same_from_its_tapes_as_from_its_seed() {
    for seed in 1..=6 {
        let script = Script::of_seed(seed, None);
        let first = run::script(&script, Watch { choices: true, ..Watch::default() });
        assert_eq!(first.digest, run::seed(seed, None, false).digest, "recording changes nothing");
        let taped = Script { choices: Some(first.choices.clone()), ..script };
        let again = run::script(&taped, Watch { choices: true, ..Watch::default() });
        assert_eq!(again.digest, first.digest, "seed {seed}");
        assert_eq!(again.choices, first.choices, "seed {seed}");
    }
}

#[test]
fn a_shrunk_run_is_small_and_breaks_the_same_promise() {
    let limits = Limits { runs: 3000, time: Duration::from_secs(600) };
    for name in ["log-unsynced", "answered-when-written", "prepared-unsynced"] {
        let (seed, mutant, outcome) = found(name, |_| true);
        let script = Script::of_seed(seed, Some(mutant));
        let shrunk = shrink::shrink(&script, limits).expect("it breaks a promise");
        assert_eq!(Some(shrunk.violation.name), outcome.violation.map(|violation| violation.name), "{name}");
        assert!(shrunk.after < shrunk.before, "{name}");
        assert!(shrunk.after.operations <= 15 && shrunk.after.faults <= 4, "{name}: {}", shrunk.after);
        assert_eq!(run::script(&shrunk.script, Watch::default()).violation, Some(shrunk.violation), "{name}");
    }
}

#[test]
fn shrinking_the_same_run_twice_leads_to_the_same_run() {
    let limits = Limits { runs: 400, time: Duration::from_secs(600) };
    let (seed, mutant, _) = found("answered-when-written", |_| true);
    let small = || {
        let shrunk =
            shrink::shrink(&Script::of_seed(seed, Some(mutant)), limits).expect("it breaks a promise");
        run::script(&shrunk.script, Watch::default()).digest
    };
    assert_eq!(small(), small());
}

#[test]
fn a_run_in_a_file_is_the_same_run() {
    let (seed, mutant, outcome) = found("log-unsynced", |_| true);
    let script = Script { choices: Some(outcome.choices.clone()), ..Script::of_seed(seed, Some(mutant)) };
    let text = Repro::of(script, &outcome, None).to_text();
    let repro = Repro::parse(&text).expect("it was written");
    assert_eq!(repro.to_text(), text);
    let again = run::script(&repro.script, Watch::default());
    assert_eq!(Some(&again.digest), repro.hash.as_ref());
    assert_eq!(again.violation.map(|violation| violation.name.to_string()), repro.violation);
    for wrong in
        ["", "seed = 1\nmutant = \"none\"", "seed = 1\n[shape]\nsegment_bytes = 1", "seed = 1\nx = 2"]
    {
        assert!(Repro::parse(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn the_story_names_the_batch_its_offset_and_what_became_of_its_bytes() {
    let is_batch = |outcome: &Outcome| {
        let violation = outcome.violation.as_ref().expect("filtered");
        // A batch that a producer sent twice may still be there once.
        let look = outcome.scenes.iter().rev().find(|scene| scene.kind == Kind::Check);
        let is_gone = |op| look.is_some_and(|scene| scene.lost.contains(&op));
        matches!(violation.subject, Some(Subject::Batch { op, .. }) if is_gone(op))
            && violation.name == "lost-write"
    };
    let (_, _, outcome) = found("log-unsynced", is_batch);
    let violation = outcome.violation.expect("filtered");
    let Some(Subject::Batch { op, offset, .. }) = violation.subject else { panic!("filtered") };
    let lives = lifeline::lives(&outcome.scenes);
    let telling = report::tell(&outcome.scenes, &lives, &violation);
    let promised = format!("that batch {} is stored at offset {offset} of ", op.0);
    assert!(telling.promised.contains(&promised), "{promised:?} in {}, {violation}", telling.promised);
    // Whether the power failed in the run, or the oracle asked what if it did.
    let became = ["never synced", "the power fails, and it is gone"];
    assert!(became.iter().any(|words| telling.between.contains(words)), "{}", telling.between);
    assert!(telling.found.contains(&format!("batch {} was acknowledged", op.0)), "{}", telling.found);
    let life = &lives[telling.subject.expect("it is about a batch")];
    for stage in [Stage::Sent, Stage::Arrived, Stage::Written, Stage::Acked, Stage::Missing] {
        assert!(life.first(stage).is_some(), "{stage:?} is missing");
    }
    assert!(life.first(Stage::Synced).is_none() && !life.is_durable());
}

#[test]
fn a_sync_that_only_seems_to_succeed_is_told_as_such() {
    let (_, _, outcome) = found("sync-retried", |_| true);
    let lives = lifeline::lives(&outcome.scenes);
    let hollow = lives.iter().filter(|life| life.first(Stage::SyncHollow).is_some());
    let betrayed = hollow.filter(|life| life.first(Stage::Acked).is_some()).count();
    assert!(betrayed > 0, "something was acknowledged on the word of a sync that did nothing");
}

#[test]
fn a_folder_explains_a_failure_to_people_and_to_tools() {
    let (seed, mutant, _) = found("answered-when-written", |_| true);
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("explained");
    let limits = Limits { runs: 300, time: Duration::from_secs(600) };
    let explained =
        artefact::explain(seed, Size::Lite, Some(mutant), limits, &directory).expect("it can be written");
    let explained = explained.expect("it breaks a promise");
    let read = |name: &str| fs::read_to_string(directory.join(name)).expect(name);

    let repro = Repro::parse(&read("repro.toml")).expect("it was written");
    let again = run::script(&repro.script, Watch::default());
    assert_eq!((again.violation, Some(again.digest)), (Some(explained.violation.clone()), repro.hash));

    let trace = read("trace.jsonl");
    assert!(trace.lines().count() > 10);
    assert!(trace.lines().all(is_json), "each line stands for itself");
    assert!(trace.lines().last().is_some_and(|line| line.contains("\"kind\":\"violation\"")));

    let told = read("report.md");
    for sentence in &explained.story {
        assert!(told.contains(sentence), "{sentence}");
    }

    let page = read("timeline.html");
    for outside in ["http", "src=", "url(", "@import", "{TITLE}", "/*"] {
        assert!(!page.contains(outside), "the page has {outside}");
    }
    let data = page.split("id=\"data\">").nth(1).and_then(|rest| rest.split("</script>").next());
    assert!(data.is_some_and(is_json), "the page's data can be read");

    for disk in ["disk", "disk-checked"] {
        let files: Vec<String> = fs::read_dir(directory.join(disk))
            .expect(disk)
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        assert!(!files.is_empty() && files.iter().all(|file| FileName::parse(file).is_some()), "{files:?}");
    }
}

#[test]
fn nothing_is_written_about_a_seed_that_keeps_its_promises() {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("nothing");
    let explained =
        artefact::explain(1, Size::Lite, None, Limits::default(), &directory).expect("nothing to write");
    assert!(explained.is_none() && !directory.exists());
}

/// Whether that is one value of JSON.
fn is_json(text: &str) -> bool {
    value(text.trim_start()).is_some_and(|rest| rest.trim().is_empty())
}

/// What is behind a value.
fn value(text: &str) -> Option<&str> {
    let text = text.trim_start();
    match text.chars().next()? {
        '{' => {
            items(&text[1..], '}', |rest| value(string(rest.trim_start())?.trim_start().strip_prefix(':')?))
        }
        '[' => items(&text[1..], ']', value),
        '"' => string(text),
        't' => text.strip_prefix("true"),
        'f' => text.strip_prefix("false"),
        'n' => text.strip_prefix("null"),
        _ => {
            let rest = text.trim_start_matches(|character: char| "+-.eE0123456789".contains(character));
            (rest.len() < text.len()).then_some(rest)
        }
    }
}

fn items(text: &str, end: char, item: impl Fn(&str) -> Option<&str>) -> Option<&str> {
    let mut rest = text.trim_start();
    if let Some(rest) = rest.strip_prefix(end) {
        return Some(rest);
    }
    loop {
        rest = item(rest)?.trim_start();
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return rest.strip_prefix(end),
        }
    }
}

fn string(text: &str) -> Option<&str> {
    let mut characters = text.strip_prefix('"')?.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some(&text[at + 2..]),
            '\\' => {
                characters.next()?;
            }
            control if control < ' ' => return None,
            _ => {}
        }
    }
    None
}
