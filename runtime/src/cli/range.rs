//! Who gets which partitions in a group: Kafka's range assignor, and the bytes in which members of a group tell each other
//! (`ConsumerProtocolSubscription` and `ConsumerProtocolAssignment`, each behind its version).

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::{
    messages::{
        ConsumerProtocolAssignment, ConsumerProtocolSubscription,
        consumer_protocol_assignment::TopicPartition,
    },
    protocol::{Decodable, Encodable, Message},
};

use super::client::{text, topic_name};

/// What every client writes and reads.
const VERSION: i16 = 0;

/// Partitions by topic.
pub(super) type Share = BTreeMap<String, Vec<i32>>;

/// What a member says it wants.
pub(super) fn subscription(topic: &str) -> Bytes {
    let wanted = ConsumerProtocolSubscription::default().with_topics(vec![text(topic)]).with_user_data(None);
    encoded(&wanted)
}

/// The topics that a member wants. `None`: the bytes say nothing.
pub(super) fn subscribed(bytes: &Bytes) -> Option<Vec<String>> {
    let wanted: ConsumerProtocolSubscription = decoded(bytes)?;
    Some(wanted.topics.iter().map(ToString::to_string).collect())
}

/// What a member is told that it has.
pub(super) fn assignment(share: &Share) -> Bytes {
    let partitions = share.iter().map(|(topic, partitions)| {
        TopicPartition::default().with_topic(topic_name(topic)).with_partitions(partitions.clone())
    });
    encoded(
        &ConsumerProtocolAssignment::default()
            .with_assigned_partitions(partitions.collect())
            .with_user_data(None),
    )
}

/// What a member has. `None`: the bytes say nothing, as before a group has settled.
pub(super) fn assigned(bytes: &Bytes) -> Option<Share> {
    let told: ConsumerProtocolAssignment = decoded(bytes)?;
    let mut share = Share::new();
    for topic in told.assigned_partitions {
        share.entry(topic.topic.to_string()).or_default().extend(topic.partitions);
    }
    Some(share)
}

fn encoded(message: &impl Encodable) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_i16(VERSION);
    message.encode(&mut bytes, VERSION).expect("names and lists of moderate length can be encoded");
    bytes.freeze()
}

fn decoded<T: Decodable + Message>(bytes: &Bytes) -> Option<T> {
    let mut rest = bytes.clone();
    let version = rest.try_get_i16().ok()?;
    // A newer version begins as the newest that we know.
    T::decode(&mut rest, version.min(T::VERSIONS.max)).ok()
}

/// Each topic's partitions in stretches of nearly the same length, to its subscribers in the order of their ids.
pub(super) fn range(
    wishes: &BTreeMap<String, Vec<String>>,
    partitions: &BTreeMap<String, i32>,
) -> BTreeMap<String, Share> {
    let mut shares: BTreeMap<String, Share> =
        wishes.keys().map(|member| (member.clone(), Share::new())).collect();
    for (topic, count) in partitions {
        let members: Vec<&String> =
            wishes.iter().filter(|(_, topics)| topics.contains(topic)).map(|(member, _)| member).collect();
        let number = i32::try_from(members.len()).unwrap_or(i32::MAX);
        let mut next = 0;
        for (member, at) in members.into_iter().zip(0..) {
            let upto = next + count / number + i32::from(at < count % number);
            if let Some(share) = shares.get_mut(member).filter(|_| upto > next) {
                share.insert(topic.clone(), (next..upto).collect());
            }
            next = upto;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(of: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
        of.iter()
            .map(|(member, topics)| ((*member).to_string(), topics.iter().map(ToString::to_string).collect()))
            .collect()
    }

    #[test]
    fn every_partition_has_one_owner_and_shares_differ_by_one() {
        let partitions = BTreeMap::from([(String::from("t"), 7), (String::from("u"), 1)]);
        let shares =
            range(&wishes(&[("a", &["t"]), ("b", &["t", "u"]), ("c", &["t", "u", "none"])]), &partitions);
        assert_eq!(shares["a"], Share::from([("t".into(), vec![0, 1, 2])]));
        assert_eq!(shares["b"], Share::from([("t".into(), vec![3, 4]), ("u".into(), vec![0])]));
        assert_eq!(shares["c"], Share::from([("t".into(), vec![5, 6])]));
    }

    #[test]
    fn members_beyond_the_partitions_get_nothing() {
        let partitions = BTreeMap::from([(String::from("t"), 1)]);
        let shares = range(&wishes(&[("a", &["t"]), ("b", &["t"])]), &partitions);
        assert_eq!((shares["a"].len(), shares["b"].len()), (1, 0));
    }

    #[test]
    fn subscriptions_and_assignments_have_the_bytes_of_the_protocol() {
        assert_eq!(&subscription("t")[..], b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff");
        let share = Share::from([("t".into(), vec![2])]);
        let bytes = assignment(&share);
        assert_eq!(&bytes[..], b"\0\0\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x02\xff\xff\xff\xff");
        assert_eq!(assigned(&bytes), Some(share));
        assert_eq!(subscribed(&subscription("t")), Some(vec![String::from("t")]));
        assert_eq!(assigned(&Bytes::new()), None);
        // Version 3 of a Java client: topics, user data, owned partitions, generation, rack.
        let java = b"\0\x03\0\0\0\x01\0\x01t\xff\xff\xff\xff\0\0\0\0\0\0\0\x05\xff\xff";
        assert_eq!(subscribed(&Bytes::from_static(java)), Some(vec![String::from("t")]));
    }
}
