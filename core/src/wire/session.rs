//! One client connection: frames in, decoded requests to the brain; answers back, frames out in request order.
//!
//! Kafka clients send requests without waiting and match answers by their order, so an answer that is ready
//! early waits here. Tags count up from 0 on each connection, ApiVersions included, which is answered here.
//! Pure: the runtime reads, writes, and holds back reading while [`Session::in_flight`] is at its limit.

use alloc::{boxed::Box, collections::VecDeque, string::String, vec::Vec};
use core::fmt;

use bytes::Bytes;
use kafka_protocol::{
    messages::{
        ApiVersionsRequest, ApiVersionsResponse,
        api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey},
    },
    protocol::{Decodable, StrBytes},
};

use super::{
    answer::{self, Form},
    api::{AdminApi, Api, FEATURES, GroupApi, SERVED, Served},
    header::{self, Preamble},
    intake,
    preflight::{self, Malformed},
    repeats, schema,
};
use crate::{
    error_code::{INVALID_REQUEST, NONE, UNSUPPORTED_VERSION},
    limits::REQUEST_ELEMENT_BYTES,
    port::{AdminRequest, GroupRequest, JoinIntake, Request, Response},
    units::Tag,
};

/// A response as slices that follow each other; the first begins with the length.
pub type Frame = Vec<Bytes>;

/// What goes to the brain as [`crate::port::ClientEvent::Request`].
#[derive(Clone, Debug, PartialEq)]
pub struct Inbound {
    /// Answered with this tag.
    pub tag: Tag,
    /// The version the client chose; always one that is served.
    pub version: i16,
    /// What it asks.
    pub request: Box<Request>,
}

/// The connection is to be closed without an answer, as Kafka does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// Why, for the log.
    pub reason: CloseReason,
}

/// What a client did that its connection is closed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// A length prefix out of bounds: most likely not a Kafka client.
    FrameLength(i32),
    /// The request header is malformed.
    Header,
    /// An API that is not served.
    UnknownApi {
        /// Kafka's number for it.
        key: i16,
    },
    /// A version that is not served.
    UnsupportedVersion {
        /// Of which API.
        api: Api,
        /// Which version.
        version: i16,
    },
    /// The body does not fit its schema.
    Malformed {
        /// Of which API.
        api: Api,
        /// In which version.
        version: i16,
        /// What is wrong.
        malformed: Malformed,
    },
    /// The body has the right shape and wrong content, such as a name that is not UTF-8.
    Undecodable {
        /// Of which API.
        api: Api,
        /// In which version.
        version: i16,
    },
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::FrameLength(len) => write!(f, "frame length {len} is out of bounds"),
            CloseReason::Header => f.write_str("malformed request header"),
            CloseReason::UnknownApi { key } => write!(f, "api key {key} is not served"),
            CloseReason::UnsupportedVersion { api, version } => {
                write!(f, "{api} version {version} is not served")
            }
            CloseReason::Malformed { api, version, malformed } => {
                write!(f, "malformed {api} request, version {version}: {malformed}")
            }
            CloseReason::Undecodable { api, version } => {
                write!(f, "undecodable {api} request, version {version}")
            }
        }
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl From<CloseReason> for Close {
    fn from(reason: CloseReason) -> Close {
        Close { reason }
    }
}

/// Length in bytes of the frame behind this length prefix: 8 to [`crate::limits::FRAME_BYTES_MAX`].
///
/// # Errors
/// The length is out of bounds.
pub fn frame_len(prefix: [u8; 4]) -> Result<usize, Close> {
    Ok(header::frame_len(prefix)?)
}

/// A request whose bytes have the shape of its API, not decoded yet.
#[derive(Debug)]
pub struct Checked {
    served: &'static Served,
    preamble: Preamble,
    client_id: Bytes,
    /// `None` for ApiVersions in a version that is not served.
    body: Option<Bytes>,
    weight: usize,
}

impl Checked {
    /// Memory beside its frame that the request may take until it is answered, bytes: decoded, in the brain, and an answer that is as
    /// long as the request. An answer that can be much longer has a bound of its own.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight
    }
}

/// Checks one complete frame without its length prefix. Nothing is decoded, and nothing allocated.
///
/// # Errors
/// The connection is to be closed.
pub fn check(frame: Bytes) -> Result<Checked, Close> {
    let mut rest = &frame[..];
    let preamble = Preamble::take(&mut rest).ok_or(CloseReason::Header)?;
    let Preamble { api_key, version, correlation_id: _ } = preamble;
    let served = Served::by_key(api_key).ok_or(CloseReason::UnknownApi { key: api_key })?;
    let api = served.api;
    if !served.understands(version) {
        if api == Api::ApiVersions {
            return Ok(Checked { served, preamble, client_id: Bytes::new(), body: None, weight: 0 });
        }
        return Err(CloseReason::UnsupportedVersion { api, version }.into());
    }
    let flexible = served.is_flexible(version);
    let client_id = header::take_client_id(&mut rest, flexible).ok_or(CloseReason::Header)?;
    let shape = preflight::check(schema::request(api), version, flexible, rest)
        .map_err(|malformed| CloseReason::Malformed { api, version, malformed })?;
    let weight = shape.decoded + shape.elements * REQUEST_ELEMENT_BYTES;
    let (client_id, body) = (frame.slice_ref(client_id), frame.slice_ref(&rest[..shape.len]));
    Ok(Checked { served, preamble, client_id, body: Some(body), weight })
}

/// The protocol state of one connection.
#[derive(Debug, Default)]
pub struct Session {
    /// Tag of the first request in `waiting`.
    first: u64,
    /// Requests in order, each until its answer has gone out.
    waiting: VecDeque<Waiting>,
    /// The last answer given out that the brain is to be told of when the client has taken it.
    reported: Option<Tag>,
    /// Address of the client, as Kafka's tools show it.
    client_host: String,
}

#[derive(Debug)]
struct Waiting {
    form: Form,
    answer: Answer,
    is_reported: bool,
}

#[derive(Debug)]
enum Answer {
    Awaited,
    Ready(Frame),
    /// Nothing goes out.
    Silence,
}

impl Session {
    /// A fresh connection.
    #[must_use]
    pub fn new() -> Session {
        Session::default()
    }

    /// A fresh connection of a client at this address, which members of groups are shown with.
    #[must_use]
    pub fn from_host(client_host: String) -> Session {
        Session { client_host, ..Session::default() }
    }

    /// Takes one complete frame without its length prefix: [`check`], then [`Session::take`].
    ///
    /// # Errors
    /// The connection is to be closed. Nothing may be received after that.
    pub fn receive(&mut self, frame: Bytes) -> Result<Option<Inbound>, Close> {
        self.take(check(frame)?)
    }

    /// Decodes a checked request. `None`: answered here; look at [`Session::next_frame`].
    ///
    /// # Errors
    /// The connection is to be closed. Nothing may be received after that.
    pub fn take(&mut self, checked: Checked) -> Result<Option<Inbound>, Close> {
        let Checked { served, preamble, client_id, body, weight: _ } = checked;
        let Preamble { api_key: _, version, correlation_id } = preamble;
        let Some(body) = body else {
            self.refuse_api_versions(served, correlation_id);
            return Ok(None);
        };
        let form = Form { served, version, correlation_id };
        let request = match served.api {
            Api::ApiVersions => {
                let frame = form.encode(&api_versions(&decode(body, form)?, version));
                self.enqueue(form, Answer::Ready(frame));
                return Ok(None);
            }
            Api::Produce => {
                let bytes = body.len();
                Request::Produce(intake::intake(decode(body, form)?, version, bytes))
            }
            Api::Fetch => Request::Fetch(decode(body, form)?),
            Api::ListOffsets => Request::ListOffsets(decode(body, form)?),
            Api::Metadata => Request::Metadata(repeats::metadata(decode(body, form)?)),
            Api::FindCoordinator => Request::FindCoordinator(repeats::find_coordinator(decode(body, form)?)),
            Api::CreateTopics => Request::CreateTopics(decode(body, form)?),
            Api::DeleteTopics => Request::DeleteTopics(decode(body, form)?),
            Api::InitProducerId => Request::InitProducerId(decode(body, form)?),
            Api::OffsetForLeaderEpoch => Request::OffsetForLeaderEpoch(decode(body, form)?),
            Api::DescribeCluster => Request::DescribeCluster(decode(body, form)?),
            Api::Group(api) => Request::Group(self.group(api, &client_id, body, form)?),
            Api::Admin(api) => Request::Admin(admin(api, body, form)?),
        };
        let tag = self.enqueue(form, Answer::Awaited);
        Ok(Some(Inbound { tag, version, request: Box::new(request) }))
    }

    /// Takes the answer of one request. Encodes it, and does the lookups inside batches that it leaves open.
    ///
    /// # Panics
    /// The tag was never given out or is answered already, or the response is that of another API: a bug.
    pub fn answer(&mut self, tag: Tag, response: Response) {
        let place = tag.0.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        let waiting = place.and_then(|at| self.waiting.get_mut(at)).expect("a tag of a request that waits");
        assert!(matches!(waiting.answer, Answer::Awaited), "request {tag} is answered twice");
        waiting.is_reported = response.is_reported();
        waiting.answer = match answer::encode(response, waiting.form) {
            Some(frame) => Answer::Ready(frame),
            None => Answer::Silence,
        };
    }

    /// The next response to send. `None`: the next one in request order is not answered yet, or there is none.
    pub fn next_frame(&mut self) -> Option<Frame> {
        loop {
            if matches!(self.waiting.front()?.answer, Answer::Awaited) {
                return None;
            }
            let waiting = self.waiting.pop_front()?;
            if waiting.is_reported {
                self.reported = Some(Tag(self.first));
            }
            self.first += 1;
            match waiting.answer {
                Answer::Ready(frame) => return Some(frame),
                Answer::Silence => {}
                Answer::Awaited => unreachable!("looked at above"),
            }
        }
    }

    /// The last answer that [`Session::next_frame`] gave out and whose client's taking it is to be reported, once: as
    /// [`crate::port::ClientEvent::Taken`].
    pub fn take_reported(&mut self) -> Option<Tag> {
        self.reported.take()
    }

    /// Requests received whose place in the order [`Session::next_frame`] has not passed yet. The runtime stops
    /// reading at [`crate::limits::REQUESTS_IN_FLIGHT_MAX`].
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.waiting.len()
    }

    fn group(
        &self,
        api: GroupApi,
        client_id: &[u8],
        body: Bytes,
        form: Form,
    ) -> Result<GroupRequest, CloseReason> {
        Ok(match api {
            GroupApi::JoinGroup => {
                let client_id = String::from_utf8_lossy(client_id).into_owned();
                let client_host = self.client_host.clone();
                GroupRequest::Join(JoinIntake { client_id, client_host, request: decode(body, form)? })
            }
            GroupApi::OffsetCommit => GroupRequest::OffsetCommit(decode(body, form)?),
            GroupApi::OffsetFetch => GroupRequest::OffsetFetch(repeats::offset_fetch(decode(body, form)?)),
            GroupApi::Heartbeat => GroupRequest::Heartbeat(decode(body, form)?),
            GroupApi::LeaveGroup => GroupRequest::Leave(decode(body, form)?),
            GroupApi::SyncGroup => GroupRequest::Sync(decode(body, form)?),
            GroupApi::DescribeGroups => GroupRequest::Describe(repeats::describe_groups(decode(body, form)?)),
            GroupApi::ListGroups => GroupRequest::List(decode(body, form)?),
            GroupApi::DeleteGroups => GroupRequest::Delete(decode(body, form)?),
            GroupApi::OffsetDelete => GroupRequest::OffsetDelete(decode(body, form)?),
        })
    }

    fn enqueue(&mut self, form: Form, answer: Answer) -> Tag {
        let tag = Tag(self.first + self.waiting.len() as u64);
        self.waiting.push_back(Waiting { form, answer, is_reported: false });
        tag
    }

    /// KIP-511: whatever the version, the answer is readable as version 0 and says what would be understood.
    fn refuse_api_versions(&mut self, served: &'static Served, correlation_id: i32) {
        let form = Form { served, version: 0, correlation_id };
        let message =
            ApiVersionsResponse::default().with_error_code(UNSUPPORTED_VERSION).with_api_keys(advertised());
        let frame = form.encode(&message);
        self.enqueue(form, Answer::Ready(frame));
    }
}

fn admin(api: AdminApi, body: Bytes, form: Form) -> Result<AdminRequest, CloseReason> {
    Ok(match api {
        AdminApi::DeleteRecords => AdminRequest::DeleteRecords(decode(body, form)?),
        AdminApi::DescribeConfigs => {
            AdminRequest::DescribeConfigs(repeats::describe_configs(decode(body, form)?))
        }
        AdminApi::AlterConfigs => AdminRequest::AlterConfigs(decode(body, form)?),
        AdminApi::DescribeLogDirs => {
            AdminRequest::DescribeLogDirs(repeats::describe_log_dirs(decode(body, form)?))
        }
        AdminApi::CreatePartitions => AdminRequest::CreatePartitions(decode(body, form)?),
        AdminApi::ElectLeaders => AdminRequest::ElectLeaders(decode(body, form)?),
        AdminApi::IncrementalAlterConfigs => AdminRequest::IncrementalAlterConfigs(decode(body, form)?),
        AdminApi::AlterPartitionReassignments => {
            AdminRequest::AlterPartitionReassignments(decode(body, form)?)
        }
        AdminApi::ListPartitionReassignments => AdminRequest::ListPartitionReassignments(decode(body, form)?),
        AdminApi::DescribeProducers => {
            AdminRequest::DescribeProducers(repeats::describe_producers(decode(body, form)?))
        }
        AdminApi::DescribeTopicPartitions => AdminRequest::DescribeTopicPartitions(decode(body, form)?),
    })
}

fn decode<Message: Decodable>(mut body: Bytes, form: Form) -> Result<Message, CloseReason> {
    let undecodable = CloseReason::Undecodable { api: form.served.api, version: form.version };
    let message = Message::decode(&mut body, form.version).map_err(|_| undecodable)?;
    // The walk and the decoder agree on where a message ends; were they not to, nothing was read right.
    if body.is_empty() { Ok(message) } else { Err(undecodable) }
}

fn api_versions(request: &ApiVersionsRequest, version: i16) -> ApiVersionsResponse {
    let named = |name: &StrBytes| version < 3 || is_software_name(name);
    if !named(&request.client_software_name) || !named(&request.client_software_version) {
        return ApiVersionsResponse::default().with_error_code(INVALID_REQUEST);
    }
    let response = ApiVersionsResponse::default().with_error_code(NONE).with_api_keys(advertised());
    if FEATURES.is_empty() || version < 3 {
        return response;
    }
    let name = |name| StrBytes::from_static_str(name);
    let supported = FEATURES.iter().map(|feature| {
        let key = SupportedFeatureKey::default().with_name(name(feature.name));
        key.with_min_version(feature.min).with_max_version(feature.max)
    });
    let finalized = FEATURES.iter().map(|feature| {
        let key = FinalizedFeatureKey::default().with_name(name(feature.name));
        key.with_min_version_level(feature.level).with_max_version_level(feature.level)
    });
    response
        .with_supported_features(supported.collect())
        .with_finalized_features(finalized.collect())
        .with_finalized_features_epoch(0)
}

fn advertised() -> Vec<ApiVersion> {
    let line = |served: &Served| {
        ApiVersion::default()
            .with_api_key(served.key)
            .with_min_version(served.advertised_min)
            .with_max_version(served.max)
    };
    SERVED.iter().map(line).collect()
}

/// KIP-511: letters and digits, with dots and dashes between them.
fn is_software_name(name: &str) -> bool {
    let (bytes, edge) = (name.as_bytes(), |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric));
    edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

#[cfg(test)]
mod tests;
