//! Why a command did not do what it was told. A [`Failure`] is printed once, at the end, and becomes the exit code.

use std::{fmt, io};

use kafka_protocol::{ResponseError, protocol::StrBytes};

use crate::settings::HostPort;

/// Why a command failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no connection.
    Unreachable { address: HostPort, reason: String },
    /// The connection broke before the answer was there, or the answer did not come in time.
    Lost { address: HostPort, reason: String },
    /// What came is no answer to what was asked.
    Unreadable { address: HostPort, reason: String },
    /// The broker serves no version of this API that we speak.
    NotServed { address: HostPort, api: String },
    /// The broker answered with an error.
    Refused { what: String, error: ResponseError, message: Option<String> },
    /// Anything else, in words.
    Wrong(String),
    /// One or more of several things failed.
    Several(Vec<Failure>),
    /// Nobody reads what is printed any more. That is how `| head` ends.
    Unread,
}

impl Failure {
    /// Whether the same request may succeed a little later: the broker restarts, or a leader or coordinator is moving.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Failure::Unreachable { .. } | Failure::Lost { .. } => true,
            Failure::Refused { error, .. } => matches!(
                error,
                ResponseError::LeaderNotAvailable
                    | ResponseError::NotLeaderOrFollower
                    | ResponseError::RequestTimedOut
                    | ResponseError::ReplicaNotAvailable
                    | ResponseError::NetworkException
                    | ResponseError::CoordinatorLoadInProgress
                    | ResponseError::CoordinatorNotAvailable
                    | ResponseError::NotCoordinator
                    | ResponseError::NotController
                    | ResponseError::NotEnoughReplicas
                    | ResponseError::NotEnoughReplicasAfterAppend
                    | ResponseError::FencedLeaderEpoch
                    | ResponseError::UnknownLeaderEpoch
                    | ResponseError::UnstableOffsetCommit
            ),
            Failure::Unreadable { .. }
            | Failure::NotServed { .. }
            | Failure::Wrong(_)
            | Failure::Several(_)
            | Failure::Unread => false,
        }
    }

    /// Whether the broker answered with this error.
    pub(super) fn is(&self, wanted: ResponseError) -> bool {
        matches!(self, Failure::Refused { error, .. } if *error == wanted)
    }

    /// What the user can do about it, if we know.
    pub(super) fn advice(&self) -> Option<&'static str> {
        match self {
            Failure::Unreachable { .. } => {
                Some("is a broker running there? -b HOST:PORT or EVENKEEL_BOOTSTRAP names another")
            }
            Failure::Lost { .. } => Some("what was asked may have been done; look before you ask again"),
            Failure::Unreadable { .. } => Some("does that port belong to a Kafka broker, without TLS?"),
            Failure::NotServed { .. } => Some("a newer broker may serve it"),
            Failure::Refused { error, .. } => advice(*error),
            Failure::Several(failures) => failures.iter().find_map(Failure::advice),
            Failure::Wrong(_) | Failure::Unread => None,
        }
    }

    /// What became of several things: the failure of the only one, or all failures.
    pub(super) fn of_all(mut failures: Vec<Failure>) -> Result<(), Failure> {
        match failures.len() {
            0 => Ok(()),
            1 => Err(failures.remove(0)),
            _ => Err(Failure::Several(failures)),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Unreachable { address, reason } => write!(f, "cannot connect to {address}: {reason}"),
            Failure::Lost { address, reason } => write!(f, "{address}: {reason}"),
            Failure::Unreadable { address, reason } => {
                write!(f, "{address} does not answer as a Kafka broker does: {reason}")
            }
            Failure::NotServed { address, api } => write!(f, "the broker at {address} does not serve {api}"),
            Failure::Refused { what, error, message } => {
                write!(f, "{what}: {} ({})", name(*error), error.code())?;
                message.as_ref().map_or(Ok(()), |message| write!(f, ": {message}"))
            }
            Failure::Wrong(words) => f.write_str(words),
            Failure::Several(failures) => {
                for (at, failure) in failures.iter().enumerate() {
                    write!(f, "{}{failure}", if at == 0 { "" } else { "\n" })?;
                }
                Ok(())
            }
            Failure::Unread => f.write_str("nobody reads the output"),
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "few of the protocol's errors have something to advise")]
fn advice(error: ResponseError) -> Option<&'static str> {
    match error {
        ResponseError::UnknownTopicOrPartition => {
            Some("`evenkeel topic list` shows the topics, `evenkeel topic create NAME` makes one")
        }
        ResponseError::TopicAlreadyExists => Some("with --if-not-exists that is not an error"),
        ResponseError::GroupIdNotFound => Some("`evenkeel group list` shows the groups"),
        ResponseError::NonEmptyGroup | ResponseError::GroupSubscribedToTopic => {
            Some("stop its consumers first; `evenkeel group describe GROUP` shows them")
        }
        ResponseError::MessageTooLarge | ResponseError::RecordListTooLarge => {
            Some("`evenkeel config set topic NAME max.message.bytes=BYTES` allows larger ones")
        }
        _ => None,
    }
}

/// An error of the system in a line: without its number.
pub(super) fn reason(error: &io::Error) -> String {
    let words = error.to_string();
    words.split(" (os error").next().unwrap_or(&words).to_string()
}

/// The error that a code stands for, with what it is about.
///
/// # Errors
/// Any code but 0.
pub(super) fn check(what: &str, code: i16, message: Option<&StrBytes>) -> Result<(), Failure> {
    match ResponseError::try_from_code(code) {
        None => Ok(()),
        Some(error) => {
            let message = message.map(ToString::to_string).filter(|message| !message.is_empty());
            Err(Failure::Refused { what: what.to_string(), error, message })
        }
    }
}

/// An error as Kafka's protocol guide spells it.
fn name(error: ResponseError) -> String {
    if let ResponseError::Unknown(_) = error {
        return String::from("unknown error");
    }
    let mut out = String::new();
    for character in format!("{error:?}").chars() {
        if character.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(character.to_ascii_uppercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_spelt_as_in_the_protocol_guide() {
        let refused = check("topic t", 36, Some(&StrBytes::from_static_str("it is there"))).expect_err("36");
        assert_eq!(refused.to_string(), "topic t: TOPIC_ALREADY_EXISTS (36): it is there");
        let refused = check("group g", 69, Some(&StrBytes::default())).expect_err("69");
        assert_eq!(refused.to_string(), "group g: GROUP_ID_NOT_FOUND (69)");
        let refused = check("group g", 30_000, None).expect_err("no such code");
        assert_eq!(refused.to_string(), "group g: unknown error (30000)");
        assert_eq!(refused.advice(), None);
        assert!(check("", 0, None).is_ok());
    }

    #[test]
    fn a_reason_has_no_number() {
        assert_eq!(reason(&io::Error::from_raw_os_error(111)), "Connection refused");
    }
}
