use kafka_protocol::messages::ApiKey;

use super::*;

#[test]
fn the_table_agrees_with_the_crate_on_keys_versions_and_headers() {
    for served in &SERVED {
        let key = ApiKey::try_from(served.key).expect("a key of Kafka's");
        assert_eq!(alloc::format!("{key:?}"), alloc::format!("{}", served.api));
        let known = key.valid_versions();
        assert!(known.min <= served.min && served.max <= known.max, "{:?}", served.api);
        for version in served.min..=served.max {
            let context = (served.api, version);
            let header = if served.is_flexible(version) { 2 } else { 1 };
            assert_eq!(key.request_header_version(version), header, "{context:?}");
            let response = i16::from(served.has_flexible_response_header(version));
            assert_eq!(key.response_header_version(version), response, "{context:?}");
        }
    }
}

#[test]
fn the_table_is_in_order_of_keys_and_holds_none_twice() {
    assert!(SERVED.is_sorted_by(|a, b| a.key < b.key));
}
