use kafka_protocol::{
    messages::{
        ApiKey, ApiVersionsRequest, ApiVersionsResponse, FetchRequest, MetadataRequest, MetadataResponse,
        ProduceResponse, RequestKind, ResponseHeader,
    },
    protocol::{Encodable, HeaderVersion},
};

use super::*;
use crate::{
    limits::FRAME_BYTES_MAX,
    wire::sample::{Dice, body, frame, versions},
};

fn served(api: Api) -> &'static Served {
    SERVED.iter().find(|served| served.api == api).expect("the table holds every API")
}

fn ask(session: &mut Session, api: Api, version: i16, correlation_id: i32) -> Option<Inbound> {
    let body = body(&mut Dice(7), api, version);
    session.receive(frame(served(api), version, correlation_id, &body)).expect("a valid request")
}

/// Correlation id and body of a frame, its length checked.
fn opened(frame: &Frame, header_version: i16) -> (i32, Bytes) {
    let mut bytes = Bytes::from(frame.concat());
    assert_eq!(i32::from_be_bytes(bytes[..4].try_into().expect("four")) as usize, bytes.len() - 4);
    let mut bytes = bytes.split_off(4);
    let header = ResponseHeader::decode(&mut bytes, header_version).expect("a response header");
    (header.correlation_id, bytes)
}

fn api_versions_answer(session: &mut Session, version: i16) -> ApiVersionsResponse {
    let (_, mut bytes) = opened(&session.next_frame().expect("answered at once"), 0);
    let response = ApiVersionsResponse::decode(&mut bytes, version).expect("an answer in that version");
    assert!(bytes.is_empty());
    response
}

#[test]
fn frame_lengths_out_of_bounds_are_refused() {
    for (len, fits) in [(-1, false), (0, false), (7, false), (8, true), (FRAME_BYTES_MAX as i32, true)] {
        assert_eq!(frame_len(len.to_be_bytes()).is_ok(), fits, "{len}");
    }
    assert!(frame_len((FRAME_BYTES_MAX as i32 + 1).to_be_bytes()).is_err());
    assert!(frame_len(*b"GET ").is_err(), "an HTTP client");
}

#[test]
fn answers_go_out_in_request_order_whatever_order_they_come_in() {
    let mut session = Session::new();
    for correlation_id in 0..3 {
        let inbound = ask(&mut session, Api::Metadata, 12, correlation_id).expect("for the brain");
        assert_eq!(inbound.tag, Tag(correlation_id as u64));
    }
    assert_eq!(session.in_flight(), 3);
    session.answer(Tag(2), Response::Metadata(MetadataResponse::default()));
    session.answer(Tag(1), Response::Metadata(MetadataResponse::default()));
    assert_eq!(session.next_frame(), None);
    session.answer(Tag(0), Response::Metadata(MetadataResponse::default()));
    for correlation_id in 0..3 {
        let frame = session.next_frame().expect("all are answered");
        assert_eq!(opened(&frame, MetadataResponse::header_version(12)).0, correlation_id);
    }
    assert_eq!((session.next_frame(), session.in_flight()), (None, 0));
}

#[test]
fn silence_takes_its_place_in_the_order_and_sends_nothing() {
    let mut session = Session::new();
    ask(&mut session, Api::Produce, 9, 1);
    ask(&mut session, Api::Produce, 9, 2);
    session.answer(Tag(1), Response::Produce(ProduceResponse::default()));
    assert_eq!(session.next_frame(), None);
    session.answer(Tag(0), Response::Silence);
    let frame = session.next_frame().expect("the silent one is passed over");
    assert_eq!(opened(&frame, 1).0, 2);
    ask(&mut session, Api::Produce, 9, 3);
    session.answer(Tag(2), Response::Silence);
    assert_eq!((session.next_frame(), session.in_flight()), (None, 0));
}

#[test]
fn api_versions_waits_its_turn_like_any_other() {
    let mut session = Session::new();
    ask(&mut session, Api::Metadata, 1, 1);
    assert_eq!(ask(&mut session, Api::ApiVersions, 3, 2), None);
    assert_eq!(session.next_frame(), None);
    session.answer(Tag(0), Response::Metadata(MetadataResponse::default()));
    assert_eq!(opened(&session.next_frame().expect("metadata"), 0).0, 1);
    assert_eq!(opened(&session.next_frame().expect("api versions"), 0).0, 2);
    assert_eq!(ask(&mut session, Api::Metadata, 1, 3).expect("for the brain").tag, Tag(2));
}

#[test]
fn api_versions_tells_what_is_served_and_produce_from_version_0() {
    for version in 0..=4 {
        let mut session = Session::new();
        ask(&mut session, Api::ApiVersions, version, 9);
        let answer = api_versions_answer(&mut session, version);
        assert_eq!(answer.error_code, 0);
        let told: Vec<_> =
            answer.api_keys.iter().map(|k| (k.api_key, k.min_version, k.max_version)).collect();
        let produce = (0, 0, 13);
        assert_eq!((told.len(), told[0]), (SERVED.len(), produce));
        assert!(answer.supported_features.is_empty() && answer.finalized_features.is_empty());
    }
}

#[test]
fn an_unsupported_version_of_api_versions_gets_a_version_0_answer_with_the_list() {
    for version in [-1, 5, i16::MAX] {
        let mut session = Session::new();
        // Nothing behind the first eight bytes can be relied on.
        let head = frame(served(Api::ApiVersions), version, 77, b"from the future").slice(..8);
        assert_eq!(session.receive(head), Ok(None));
        let frame = session.next_frame().expect("answered at once");
        let (correlation_id, mut bytes) = opened(&frame, 0);
        let answer = ApiVersionsResponse::decode(&mut bytes, 0).expect("version 0");
        assert_eq!((correlation_id, answer.error_code), (77, 35));
        assert!(answer.api_keys.iter().any(|key| (key.api_key, key.max_version) == (18, 4)));
        assert!(bytes.is_empty());
    }
}

#[test]
fn software_names_that_kip_511_forbids_are_an_invalid_request() {
    let cases = [
        ("librdkafka", true),
        ("a", true),
        ("apache-kafka-java.4", true),
        ("", false),
        ("-a", false),
        ("a.", false),
        ("a b", false),
        ("ü", false),
        ("a_b", false),
    ];
    for (name, fits) in cases {
        assert_eq!(is_software_name(name), fits, "{name:?}");
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str(name))
            .with_client_software_version(StrBytes::from_static_str("1.0"));
        let mut bytes = bytes::BytesMut::new();
        request.encode(&mut bytes, 3).expect("fits");
        let mut session = Session::new();
        session.receive(frame(served(Api::ApiVersions), 3, 1, &bytes)).expect("answered");
        let answer = api_versions_answer(&mut session, 3);
        assert_eq!(answer.error_code, if fits { 0 } else { 42 }, "{name:?}");
        assert_eq!(answer.api_keys.is_empty(), !fits);
    }
}

#[test]
fn what_is_not_served_closes_the_connection() {
    let close = |api_key: i16, version: i16| {
        let mut bytes = bytes::BytesMut::new();
        bytes.extend_from_slice(&api_key.to_be_bytes());
        bytes.extend_from_slice(&version.to_be_bytes());
        bytes.extend_from_slice(&[0; 16]);
        Session::new().receive(bytes.freeze()).expect_err("not served").reason
    };
    assert_eq!(close(17, 0), CloseReason::UnknownApi { key: 17 });
    assert_eq!(close(-1, 0), CloseReason::UnknownApi { key: -1 });
    for version in [0, 2, 14] {
        assert_eq!(close(0, version), CloseReason::UnsupportedVersion { api: Api::Produce, version });
    }
}

#[test]
fn names_that_are_not_utf8_close_the_connection() {
    let body = [0, 0, 0, 1, 0, 2, 0xff, 0xfe];
    let reason =
        Session::new().receive(frame(served(Api::Metadata), 0, 1, &body)).expect_err("not a name").reason;
    assert_eq!(reason, CloseReason::Undecodable { api: Api::Metadata, version: 0 });
}

#[test]
fn every_valid_request_is_received_and_no_prefix_of_it() {
    for (served, version) in versions() {
        for seed in 0..20 {
            let whole = frame(served, version, 5, &body(&mut Dice(seed), served.api, version));
            let context = alloc::format!("{:?} version {version} seed {seed}", served.api);
            let mut session = Session::new();
            match session.receive(whole.clone()).expect(&context) {
                Some(inbound) => assert_eq!((inbound.tag, inbound.version), (Tag(0), version), "{context}"),
                None => assert_eq!(served.api, Api::ApiVersions, "{context}"),
            }
            for len in 0..whole.len() {
                assert!(Session::new().receive(whole.slice(..len)).is_err(), "{context} cut at {len}");
            }
        }
    }
}

#[test]
fn damaged_requests_never_panic() {
    for (served, version) in versions() {
        for seed in 0..200 {
            let mut dice = Dice(seed);
            let mut bytes = frame(served, version, 5, &body(&mut dice, served.api, version)).to_vec();
            for _ in 0..1 + dice.below(4) {
                let at = 8 + dice.below(bytes.len() as u64 - 8) as usize;
                bytes[at] = dice.roll() as u8;
            }
            // Either answer is fine; what is refused can also be said in words.
            if let Err(close) = Session::new().receive(bytes.into()) {
                assert!(!alloc::format!("{close}").is_empty());
            }
        }
    }
}

#[test]
fn random_bytes_behind_a_valid_preamble_never_panic() {
    for (served, version) in versions() {
        let mut dice = Dice(version as u64);
        for _ in 0..200 {
            let noise = dice.bytes(120);
            let _ = Session::new().receive(frame(served, version, 1, &noise));
        }
    }
}

#[test]
fn the_header_of_a_flexible_version_may_carry_tagged_fields_and_a_null_client_id() {
    let mut bytes = bytes::BytesMut::new();
    bytes.extend_from_slice(&[0, 3, 0, 9, 0, 0, 0, 1, 0xff, 0xff, 1, 5, 2, b'h', b'i']);
    MetadataRequest::default().encode(&mut bytes, 9).expect("fits");
    assert!(Session::new().receive(bytes.freeze()).expect("valid").is_some());
    let mut bytes = bytes::BytesMut::new();
    bytes.extend_from_slice(&[0, 1, 0, 4, 0, 0, 0, 1, 0xff, 0xfe]);
    FetchRequest::default().encode(&mut bytes, 4).expect("fits");
    let refused = Session::new().receive(bytes.freeze()).expect_err("a client id of length -2");
    assert_eq!(refused.reason, CloseReason::Header);
}

#[test]
#[should_panic(expected = "answered twice")]
fn an_answer_given_twice_is_a_bug() {
    let mut session = Session::new();
    ask(&mut session, Api::Metadata, 1, 1);
    session.answer(Tag(0), Response::Metadata(MetadataResponse::default()));
    session.answer(Tag(0), Response::Metadata(MetadataResponse::default()));
}

#[test]
#[should_panic(expected = "is not answered with")]
fn an_answer_of_another_api_is_a_bug() {
    let mut session = Session::new();
    ask(&mut session, Api::Metadata, 1, 1);
    session.answer(Tag(0), Response::Silence);
}

/// librdkafka 2.16 asks for all topics with a null array and three bytes of a length that it never fills in.
#[test]
fn bytes_behind_a_request_are_ignored_as_kafka_does() {
    let mut frame = alloc::vec![0, 3, 0, 13, 0, 0, 0, 5, 0xff, 0xff, 0];
    frame.extend_from_slice(&[0, 0, 0, 0, 1, 0, 0]);
    let inbound = Session::new().receive(Bytes::from(frame)).expect("well formed").expect("for the brain");
    let Request::Metadata(request) = *inbound.request else { panic!("another request") };
    assert_eq!(request.topics, None);
    assert!(!request.allow_auto_topic_creation);
}

#[test]
fn a_body_that_has_the_right_shape_and_is_no_request_closes_the_connection() {
    for (served, version) in versions() {
        for seed in 0..4 {
            let body = body(&mut Dice(seed), served.api, version);
            for at in 0..body.len() {
                let mut bytes = body.to_vec();
                bytes[at] = 0xff;
                let key = ApiKey::try_from(served.key).expect("a key of Kafka's");
                let mut session = Session::new();
                let taken = session.receive(frame(served, version, 1, &bytes));
                let context = alloc::format!("{:?} version {version} seed {seed} byte {at}", served.api);
                let flexible = served.is_flexible(version);
                let Ok(shape) = preflight::check(schema::request(served.api), version, flexible, &bytes)
                else {
                    assert!(taken.is_err(), "{context}");
                    continue;
                };
                let mut rest = Bytes::from(bytes).slice(..shape.len);
                let decoded = RequestKind::decode(key, &mut rest, version);
                assert_eq!(taken.is_ok(), decoded.is_ok() && rest.is_empty(), "{context}");
            }
        }
    }
}
