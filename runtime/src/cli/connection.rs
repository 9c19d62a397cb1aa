//! One connection to one broker: what it serves is asked first, then requests go out one at a time, each in the newest
//! version that both sides know.

use std::{collections::BTreeMap, io, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use evenkeel_core::limits::FRAME_BYTES_MAX;
use kafka_protocol::{
    messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse, RequestHeader, ResponseHeader},
    protocol::{Decodable, Encodable, HeaderVersion, Message, Request, StrBytes, VersionRange},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use super::failure::{Failure, reason};
use crate::settings::HostPort;

const UNSUPPORTED_VERSION: i16 = 35;

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// A connection.
pub(super) struct Connection {
    stream: TcpStream,
    address: HostPort,
    correlation: i32,
    served: BTreeMap<i16, VersionRange>,
}

/// The versions in which our requests mean what we want: those of the library, less those that name topics by id only, or that
/// hold several groups where we write one.
fn spoken<R: Request>() -> VersionRange {
    let all = R::VERSIONS;
    let ours = |min, max| all.intersect(&VersionRange { min, max });
    match ApiKey::try_from(R::KEY) {
        Ok(ApiKey::Produce | ApiKey::Fetch) => ours(4, 12),
        // From 4 on it does not create the topic that it is asked for.
        Ok(ApiKey::Metadata) => ours(4, 12),
        Ok(ApiKey::OffsetFetch) => ours(2, 7),
        Ok(ApiKey::FindCoordinator) => ours(1, 3),
        Ok(ApiKey::DeleteTopics) => ours(1, 5),
        Ok(ApiKey::LeaveGroup) => ours(3, 5),
        Ok(ApiKey::ListGroups) => ours(4, 5),
        // From 4 on a number of partitions may be left to the broker.
        Ok(ApiKey::CreateTopics) => ours(4, 7),
        _ => all,
    }
}

impl Connection {
    /// Connects, and asks what is served.
    ///
    /// # Errors
    /// Nobody is there, or it is no Kafka broker.
    pub(super) async fn open(address: &HostPort, deadline: Instant) -> Result<Connection, Failure> {
        let unreachable = |reason| Failure::Unreachable { address: address.clone(), reason };
        let connected = timeout(left(deadline), TcpStream::connect((&address.host[..], address.port))).await;
        let stream = match connected {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(unreachable(reason(&error))),
            Err(_) => return Err(unreachable(String::from("no answer in time"))),
        };
        stream.set_nodelay(true).map_err(|error| unreachable(reason(&error)))?;
        let mut connection =
            Connection { stream, address: address.clone(), correlation: 0, served: BTreeMap::new() };
        connection.shake_hands(deadline).await?;
        Ok(connection)
    }

    async fn shake_hands(&mut self, deadline: Instant) -> Result<(), Failure> {
        let ours = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("evenkeel"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let (mut version, mut answer) = (3, self.exchange(&ours, 3, deadline).await?);
        if answer.len() >= 2 && i16::from_be_bytes([answer[0], answer[1]]) == UNSUPPORTED_VERSION {
            (version, answer) = (0, self.exchange(&ApiVersionsRequest::default(), 0, deadline).await?);
        }
        let answer: ApiVersionsResponse = self.decode(answer, version)?;
        super::failure::check("ApiVersions", answer.error_code, None)?;
        self.served = answer
            .api_keys
            .iter()
            .map(|api| (api.api_key, VersionRange { min: api.min_version, max: api.max_version }))
            .collect();
        Ok(())
    }

    /// Asks, and waits for the answer. After an error the connection is of no use any more.
    ///
    /// # Errors
    /// The API is not served, the connection breaks, or the answer does not come in time or cannot be read.
    pub(super) async fn call<R: Request>(
        &mut self,
        request: &R,
        deadline: Instant,
    ) -> Result<R::Response, Failure> {
        let common = self.served.get(&R::KEY).map(|served| spoken::<R>().intersect(served));
        let Some(common) = common.filter(|common| !common.is_empty()) else {
            let api = ApiKey::try_from(R::KEY)
                .map_or_else(|()| R::KEY.to_string(), |key| format!("{key:?} ({})", R::KEY));
            return Err(Failure::NotServed { address: self.address.clone(), api });
        };
        let answer = self.exchange(request, common.max, deadline).await?;
        self.decode(answer, common.max)
    }

    fn decode<A: Decodable + Message>(&self, mut answer: Bytes, version: i16) -> Result<A, Failure> {
        A::decode(&mut answer, version).map_err(|error| self.unreadable(error.to_string()))
    }

    fn unreadable(&self, reason: String) -> Failure {
        Failure::Unreadable { address: self.address.clone(), reason }
    }

    /// A request out, the body of its answer in.
    async fn exchange<R: Request>(
        &mut self,
        request: &R,
        version: i16,
        deadline: Instant,
    ) -> Result<Bytes, Failure> {
        self.correlation = self.correlation.wrapping_add(1);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(StrBytes::from_static_str("evenkeel-cli")));
        let mut frame = BytesMut::from(&[0; 4][..]);
        header
            .encode(&mut frame, R::header_version(version))
            .and_then(|()| request.encode(&mut frame, version))
            .map_err(|error| Failure::Wrong(format!("the broker's version cannot express this: {error}")))?;
        let len = u32::try_from(frame.len() - 4).ok().filter(|len| *len <= FRAME_BYTES_MAX);
        let len = len.ok_or_else(|| Failure::Wrong(String::from("the request would be too large")))?;
        frame[..4].copy_from_slice(&len.to_be_bytes());
        let moved = timeout(left(deadline), async {
            self.stream.write_all(&frame).await?;
            self.stream.flush().await?;
            let mut len = [0; 4];
            self.stream.read_exact(&mut len).await?;
            let len = u32::from_be_bytes(len);
            if len > FRAME_BYTES_MAX {
                return io::Result::Ok(Err(len));
            }
            let mut answer = vec![0; len as usize];
            self.stream.read_exact(&mut answer).await?;
            Ok(Ok(Bytes::from(answer)))
        });
        let lost = |reason| Failure::Lost { address: self.address.clone(), reason };
        let mut answer = match moved.await {
            Ok(Ok(Ok(answer))) => answer,
            Ok(Ok(Err(len))) => return Err(self.unreadable(format!("an answer of {len} bytes"))),
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(lost(String::from("the connection was closed before the answer came")));
            }
            Ok(Err(error)) => return Err(lost(reason(&error))),
            Err(_) => return Err(lost(String::from("no answer in time"))),
        };
        let header = ResponseHeader::decode(&mut answer, R::Response::header_version(version))
            .map_err(|error| self.unreadable(error.to_string()))?;
        if header.correlation_id != self.correlation {
            return Err(self.unreadable(format!(
                "it answered request {}, {} was asked",
                header.correlation_id, self.correlation
            )));
        }
        Ok(answer.copy_to_bytes(answer.remaining()))
    }
}
