//! A place in a partition as a user names it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where to begin to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At the oldest record.
    Beginning,
    /// Behind the newest.
    End,
    /// At this offset.
    Offset(i64),
    /// At the first record that is at least as new, in milliseconds since 1970.
    Time(i64),
}

/// `beginning`, `end`, an offset, or a time.
pub(super) fn place(text: &str) -> Result<Place, String> {
    match text {
        "beginning" | "earliest" => Ok(Place::Beginning),
        "end" | "latest" => Ok(Place::End),
        _ => match text.parse() {
            Ok(offset @ 0..) => Ok(Place::Offset(offset)),
            _ => time(text).map(Place::Time).map_err(|_| {
                String::from(
                    "beginning, end, an offset, or a time is needed: @MILLISECONDS, or 2026-11-25T20:00:00Z",
                )
            }),
        },
    }
}

/// `@MILLISECONDS` since 1970, or a date and time in UTC as RFC 3339 has it.
pub(super) fn time(text: &str) -> Result<i64, String> {
    let words = "a time is needed: @MILLISECONDS since 1970, or 2026-11-25T20:00:00Z";
    if let Some(millis) = text.strip_prefix('@') {
        return millis.parse().ok().filter(|millis| *millis >= 0).ok_or_else(|| String::from(words));
    }
    let time = humantime::parse_rfc3339_weak(text).map_err(|_| String::from(words))?;
    let since = time.duration_since(UNIX_EPOCH).map_err(|_| String::from(words))?;
    i64::try_from(since.as_millis()).map_err(|_| String::from(words))
}

/// Milliseconds since 1970.
pub(super) fn now() -> i64 {
    as_millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// A duration in milliseconds.
pub(super) fn as_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_word_an_offset_or_a_time() {
        for (text, expected) in [
            ("beginning", Place::Beginning),
            ("latest", Place::End),
            ("0", Place::Offset(0)),
            ("17", Place::Offset(17)),
            ("@17", Place::Time(17)),
            ("1970-01-01T00:00:01.5Z", Place::Time(1500)),
            ("1970-01-02 00:00:00", Place::Time(86_400_000)),
        ] {
            assert_eq!(place(text), Ok(expected), "{text}");
        }
        for text in ["", "-1", "@-1", "@", "yesterday", "1969-12-31T23:59:59Z", "9223372036854775808"] {
            assert!(place(text).is_err(), "{text}");
        }
        assert!(time("17").is_err(), "an offset is no time");
    }
}
