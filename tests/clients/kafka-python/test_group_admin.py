"""Committed offsets keep what was committed; groups are listed, described, altered and deleted, with Kafka's errors."""

import pytest
from client import joined, numbered, polled, produce, take
from kafka import TopicPartition
from kafka.admin import MemberToRemove
from kafka.errors import (
    CommitFailedError,
    GroupIdNotFoundError,
    GroupSubscribedToTopicError,
    NoError,
    OffsetMetadataTooLargeError,
    UnknownMemberIdError,
    UnknownTopicOrPartitionError,
)
from kafka.structs import OffsetAndMetadata
from records import Deadline


def test_metadata_of_a_commit_comes_back_as_it_was_also_after_a_kill(client, topic, start_restart):
    client.create(topic, 2)
    first, second = [TopicPartition(topic, partition) for partition in range(2)]
    consumer = joined(client.member(topic, topic))
    told = {first: OffsetAndMetadata(5, "wer, wann: schlüssel-鍵-🔑", 0), second: OffsetAndMetadata(0, "", -1)}
    consumer.commit({first: told[first]}, timeout_ms=60_000)
    answers = []
    consumer.commit_async({second: told[second]}, lambda offsets, answer: answers.append((offsets, answer)))
    deadline = Deadline()
    while not answers:
        deadline.check("the answer")
        polled(consumer)
    assert answers[0][0] == {second: told[second]} and not isinstance(answers[0][1], Exception)
    assert {place: consumer.committed(place, metadata=True) for place in told} == told
    assert start_restart().wait() == 0
    assert client.new_admin().list_group_offsets({topic: None}) == {topic: told}


def test_metadata_beyond_the_limit_is_refused(client, topic):
    client.create(topic)
    consumer, place = joined(client.member(topic, topic)), TopicPartition(topic, 0)
    consumer.commit({place: OffsetAndMetadata(1, "x" * 4096, -1)}, timeout_ms=60_000)
    with pytest.raises(OffsetMetadataTooLargeError):
        consumer.commit({place: OffsetAndMetadata(2, "x" * 4097, -1)}, timeout_ms=60_000)
    assert client.committed(topic) == {0: 1}


def test_a_group_that_never_was_has_committed_nothing(client, topic):
    client.create(topic)
    place = TopicPartition(topic, 0)
    assert client.consumer(topic, group_id=topic).committed(place) is None
    assert client.admin.list_group_offsets({topic: [place]})[topic][place].offset == -1
    assert client.admin.list_group_offsets(topic) == {topic: {}}
    assert topic not in {group["group_id"] for group in client.admin.list_groups()}


def test_a_consumer_goes_on_where_its_group_has_committed_by_itself(client, topic):
    client.create(topic)
    produce(client.producer(), topic, numbered(10))
    consumer = client.member(topic, topic, enable_auto_commit=True)
    take(consumer, 4)
    consumer.close()
    assert client.committed(topic) == {0: 4}
    assert [message.offset for message in take(client.member(topic, topic), 6)] == [4, 5, 6, 7, 8, 9]


def test_a_member_that_was_removed_cannot_commit(client, topic):
    client.create(topic)
    produce(client.producer(), topic, numbered(10))
    consumer, place = client.member(topic, topic), TopicPartition(topic, 0)
    take(consumer, 10)
    consumer.commit({place: OffsetAndMetadata(3, "", -1)}, timeout_ms=60_000)
    member = MemberToRemove(member_id=consumer.group_metadata().member_id)
    assert list(client.admin.remove_group_members(topic, [member]).values()) == [NoError]
    with pytest.raises(CommitFailedError):
        consumer.commit({place: OffsetAndMetadata(7, "", -1)}, timeout_ms=60_000)
    assert client.committed(topic) == {0: 3}


def test_a_group_is_listed_and_described_with_its_members(client, topic):
    client.create(topic, 3)
    consumer = joined(client.member(topic, topic, client_id="a client"))
    description = client.described_group(topic)
    assert (description["error"], description["group_state"], description["protocol_type"]) == (None, "Stable", "consumer")
    assert description["protocol_data"] == "range"
    [member] = description["members"]
    assert member["member_id"] == consumer.group_metadata().member_id
    assert (member["client_id"], member["client_host"].lstrip("/")) == ("a client", "127.0.0.1")
    [assigned] = member["member_assignment"]["assigned_partitions"]
    assert (assigned["topic"], sorted(assigned["partitions"])) == (topic, [0, 1, 2])

    def listed(**filters):
        return {group["group_id"]: group["group_state"] for group in client.admin.list_groups(**filters)}

    assert listed()[topic] == listed(states_filter=["Stable"])[topic] == "Stable"
    assert topic not in listed(states_filter=["Empty"])
    consumer.close()
    assert listed(states_filter=["Empty"])[topic] == "Empty"
    assert topic not in listed(states_filter=["Stable"])


def test_offsets_are_altered_and_deleted_while_nobody_reads(client, topic):
    client.create(topic, 2)
    produce(client.producer(), topic, numbered(10))
    first, second = [TopicPartition(topic, partition) for partition in range(2)]
    altered = {first: OffsetAndMetadata(8, "by hand", -1), second: OffsetAndMetadata(0, "", -1)}
    unknown = TopicPartition(topic, 2)
    assert client.admin.alter_group_offsets(topic, altered) == {first: NoError, second: NoError}
    answer = client.admin.alter_group_offsets(topic, {unknown: OffsetAndMetadata(1, "", -1)})
    assert answer == {unknown: UnknownTopicOrPartitionError}
    assert client.admin.list_group_offsets(topic)[topic] == altered

    consumer = client.member(topic, topic)
    assert [message.offset for message in take(consumer, 2)] == [8, 9]
    # A group that reads keeps its offsets.
    assert client.admin.alter_group_offsets(topic, altered) == dict.fromkeys(altered, UnknownMemberIdError)
    assert client.admin.delete_group_offsets(topic, [first]) == {first: GroupSubscribedToTopicError}
    assert client.committed(topic) == {0: 8, 1: 0}
    consumer.close()
    assert client.admin.delete_group_offsets(topic, [first]) == {first: NoError}
    assert client.committed(topic) == {1: 0}
    with pytest.raises(GroupIdNotFoundError):
        client.admin.delete_group_offsets(f"{topic}-unknown", [first])


def test_a_group_without_members_is_deleted_with_its_offsets(client, topic, start_restart):
    client.create(topic)
    consumer, place = joined(client.member(topic, topic)), TopicPartition(topic, 0)
    consumer.commit({place: OffsetAndMetadata(1, "", -1)}, timeout_ms=60_000)
    assert client.admin.delete_groups([topic]) == {topic: "NonEmptyGroupError"}
    consumer.close()
    assert client.admin.delete_groups([topic]) == {topic: "OK"}
    assert client.admin.delete_groups([topic]) == {topic: "GroupIdNotFoundError"}
    assert start_restart().wait() == 0
    client.admin = client.new_admin()
    assert client.committed(topic) == {}
    assert topic not in {group["group_id"] for group in client.admin.list_groups()}
