//! What came of the mutants: lines that can be put together from several machines, and a table by file.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use crate::{hunt::Verdict, site::Site};

/// Files that decide whether something lasts, by how their paths begin.
const DURABLE: [&str; 12] = [
    "log",
    "state",
    "partition",
    "store",
    "commit",
    "broker/cuts",
    "broker/produce",
    "broker/restore",
    "broker/checkpoints",
    "broker/publish",
    "broker/answers",
    "codec",
];

/// One mutant and what it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The file it is in.
    pub file: String,
    /// Its key.
    pub key: String,
    /// `killed`, `survived`, `not-reached` or `equivalent`.
    pub verdict: String,
    /// By which layer.
    pub layer: String,
    /// By which oracle or test.
    pub by: String,
    /// At which seed or test.
    pub at: String,
    /// How long that took, ms.
    pub millis: u64,
}

impl Row {
    /// A judged mutant.
    #[must_use]
    pub fn of(site: &Site, verdict: &Verdict) -> Row {
        let (word, layer, by, at, millis) = match verdict {
            Verdict::Killed { layer, at, by, millis } => {
                ("killed", layer.as_str(), by.as_str(), at.as_str(), *millis)
            }
            Verdict::Survived => ("survived", "", "", "", 0),
            Verdict::NotReached => ("not-reached", "", "", "", 0),
        };
        Row {
            file: site.file.clone(),
            key: site.key(),
            verdict: word.to_owned(),
            layer: layer.to_owned(),
            by: by.to_owned(),
            at: at.to_owned(),
            millis,
        }
    }

    /// One that changes nothing.
    #[must_use]
    pub fn equivalent(site: &Site) -> Row {
        Row { verdict: String::from("equivalent"), ..Row::of(site, &Verdict::Survived) }
    }

    /// As a line.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{}\t{}\t{}\t{}\t{}\t{}", self.key, self.verdict, self.layer, self.by, self.at, self.millis)
    }

    fn parse(line: &str) -> Option<Row> {
        let mut parts = line.split('\t').map(str::to_owned);
        let (key, verdict, layer, by, at) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let millis = parts.next()?.parse().ok()?;
        let file = key.split(" | ").next()?.to_owned();
        Some(Row { file, key, verdict, layer, by, at, millis })
    }
}

/// Reads the lines of one machine.
///
/// # Errors
/// The file cannot be read, or a line is none of ours.
pub fn read(path: &Path) -> Result<Vec<Row>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.lines().map(|line| Row::parse(line).ok_or_else(|| format!("{}: {line:?}", path.display()))).collect()
}

/// Killed of those that were reached and change something.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    /// Killed by simulation and crash points.
    pub by_worlds: usize,
    /// Killed by tests only.
    pub by_tests: usize,
    /// Reached, and not noticed.
    pub survived: usize,
    /// Nothing came by.
    pub not_reached: usize,
    /// Listed as changing nothing.
    pub equivalent: usize,
}

impl Score {
    /// Of these rows.
    pub fn of<'a>(rows: impl Iterator<Item = &'a Row>) -> Score {
        let mut score = Score::default();
        for row in rows {
            match (row.verdict.as_str(), row.layer.as_str()) {
                ("killed", "tests") => score.by_tests += 1,
                ("killed", _) => score.by_worlds += 1,
                ("survived", _) => score.survived += 1,
                ("equivalent", _) => score.equivalent += 1,
                _ => score.not_reached += 1,
            }
        }
        score
    }

    /// Reached, and not equivalent.
    #[must_use]
    pub fn reached(&self) -> usize {
        self.by_worlds + self.by_tests + self.survived
    }

    /// In percent: killed by worlds alone, and by anything.
    #[must_use]
    pub fn percent(&self) -> (f64, f64) {
        #[expect(clippy::cast_precision_loss, reason = "percent for people")]
        let of = |part: usize| 100.0 * part as f64 / self.reached().max(1) as f64;
        (of(self.by_worlds), of(self.by_worlds + self.by_tests))
    }
}

/// Whether a file decides whether something lasts.
#[must_use]
pub fn is_durable(file: &str) -> bool {
    DURABLE.iter().any(|begin| {
        file.strip_prefix(begin).is_some_and(|rest| rest.starts_with('/') || rest.starts_with('.'))
    })
}

/// A table by file, the sums, and the survivors.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut by_file: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        by_file.entry(&row.file).or_default().push(row);
    }
    let mut text = String::from(
        "| file | mutants | killed by worlds | by tests only | survived | not reached | equivalent | worlds % | all % |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for (file, rows) in &by_file {
        line(&mut text, file, Score::of(rows.iter().copied()));
    }
    line(
        &mut text,
        "**files that decide durability**",
        Score::of(rows.iter().filter(|row| is_durable(&row.file))),
    );
    line(&mut text, "**all**", Score::of(rows.iter()));
    text
}

fn line(text: &mut String, name: &str, score: Score) {
    let all = score.reached() + score.not_reached + score.equivalent;
    let (worlds, both) = score.percent();
    // Into a string nothing can fail.
    let _ = writeln!(
        text,
        "| {name} | {all} | {} | {} | {} | {} | {} | {worlds:.1} | {both:.1} |",
        score.by_worlds, score.by_tests, score.survived, score.not_reached, score.equivalent
    );
}

/// The mutants of one verdict, one a line.
#[must_use]
pub fn list(rows: &[Row], verdict: &str) -> String {
    let mut keys: Vec<&str> =
        rows.iter().filter(|row| row.verdict == verdict).map(|row| row.key.as_str()).collect();
    keys.sort_unstable();
    keys.iter().map(|key| format!("{key}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(file: &str, verdict: &str, layer: &str) -> Row {
        Row {
            file: file.to_owned(),
            key: format!("{file} | f | holds | a | 0"),
            verdict: verdict.to_owned(),
            layer: layer.to_owned(),
            by: String::from("lost-write"),
            at: String::from("7"),
            millis: 3,
        }
    }

    #[test]
    fn a_row_is_read_as_it_was_written() {
        let row = row("log/writer.rs", "killed", "lite");
        assert_eq!(Row::parse(&row.line()), Some(row));
        assert_eq!(Row::parse("a | b\tkilled\tlite"), None);
    }

    #[test]
    fn a_score_counts_what_was_reached_and_changes_something() {
        let rows = [
            row("log/writer.rs", "killed", "lite"),
            row("log/writer.rs", "killed", "tests"),
            row("broker/cuts.rs", "survived", ""),
            row("broker/fetch.rs", "equivalent", ""),
            row("broker/fetch.rs", "not-reached", ""),
        ];
        let score = Score::of(rows.iter());
        assert_eq!((score.reached(), score.not_reached, score.equivalent), (3, 1, 1));
        let (worlds, all) = score.percent();
        assert!((worlds - 100.0 / 3.0).abs() < 0.01 && (all - 200.0 / 3.0).abs() < 0.01);
        assert!(
            is_durable("log/writer.rs") && is_durable("broker/cuts.rs") && is_durable("broker/cuts/merge.rs")
        );
        assert!(!is_durable("broker/fetch.rs") && !is_durable("logs.rs"));
        assert!(
            table(&rows)
                .contains("| **files that decide durability** | 3 | 1 | 1 | 1 | 0 | 0 | 33.3 | 66.7 |")
        );
        assert_eq!(list(&rows, "survived"), "broker/cuts.rs | f | holds | a | 0\n");
    }
}
