//! Mutants that change nothing that anybody could see, each with the reason. The list goes by item and text, so it survives
//! moves of code within a file.

use std::{collections::BTreeMap, fs, path::Path};

use crate::site::Site;

/// The list.
#[derive(Clone, Debug, Default)]
pub struct Equivalents {
    reasons: BTreeMap<String, String>,
}

impl Equivalents {
    /// Reads a file of lines: a key, a tab, the reason. Lines that begin with `#` and empty ones are passed over.
    ///
    /// # Errors
    /// The file cannot be read, or a line has no reason.
    pub fn read(path: &Path) -> Result<Equivalents, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Equivalents::parse(&text).map_err(|line| format!("{}: no tab and reason in {line:?}", path.display()))
    }

    fn parse(text: &str) -> Result<Equivalents, String> {
        let mut reasons = BTreeMap::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (key, reason) = line.split_once('\t').ok_or(line)?;
            if reason.trim().is_empty() {
                return Err(line.to_owned());
            }
            reasons.insert(key.to_owned(), reason.to_owned());
        }
        Ok(Equivalents { reasons })
    }

    /// Why a mutant changes nothing.
    #[must_use]
    pub fn reason(&self, site: &Site) -> Option<&str> {
        self.reasons.get(&site.key()).map(String::as_str)
    }

    /// Lines that name no mutant any more.
    #[must_use]
    pub fn stale(&self, sites: &[Site]) -> Vec<&str> {
        let known: std::collections::BTreeSet<String> = sites.iter().map(Site::key).collect();
        self.reasons.keys().map(String::as_str).filter(|key| !known.contains(*key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_needs_a_reason() {
        assert!(Equivalents::parse("# words\n\na | b\tit only says something\n").is_ok());
        assert!(Equivalents::parse("a | b\n").is_err());
        assert!(Equivalents::parse("a | b\t \n").is_err());
    }
}
