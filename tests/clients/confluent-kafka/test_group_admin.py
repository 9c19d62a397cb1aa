"""Committed offsets keep what was committed; groups are listed, described, altered and deleted, with Kafka's errors."""

import pytest
from client import error_code, joined, numbered, produce, take
from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from records import Deadline

METADATA = "wer, wann: schlüssel-鍵-🔑"


def told(place):
    return place.offset, place.metadata


def test_metadata_of_a_commit_comes_back_as_it_was_also_after_a_kill(client, topic, start_restart):
    client.create(topic, 2)
    answers = []
    consumer = joined(client.member(topic, topic, on_commit=lambda error, places: answers.append((error, places))))
    consumer.commit(offsets=[TopicPartition(topic, 0, 5, METADATA)], asynchronous=False)
    answers.clear()
    consumer.commit(offsets=[TopicPartition(topic, 1, 0)], asynchronous=True)
    deadline = Deadline()
    while not answers:
        deadline.check("the answer")
        consumer.poll(0.1)
    [(error, [place])] = answers
    assert (error, place.error, place.offset) == (None, None, 0)
    assert consumer.committed([TopicPartition(topic, 0)], 30)[0].metadata == METADATA
    assert start_restart().wait() == 0
    client.new_admin()
    places = client.committed(topic)
    assert (told(places[0]), places[1].offset) == ((5, METADATA), 0)


def test_a_group_that_never_was_has_committed_nothing(client, topic):
    client.create(topic, 2)
    assert [place.offset for place in client.committed(topic, topic, 2).values()] == [-1001, -1001]
    assert client.committed(topic) == {}
    assert topic not in [group.group_id for group in client.admin.list_consumer_groups().result().valid]


def test_a_consumer_goes_on_where_its_group_has_committed_by_itself(client, topic):
    client.create(topic)
    produce(client.producer(), topic, numbered(10))
    consumer = client.member(topic, topic, enable_auto_commit=True)
    take(consumer, 4)
    consumer.close()
    assert client.committed(topic)[0].offset == 4
    assert [message.offset() for message in take(client.member(topic, topic), 6)] == [4, 5, 6, 7, 8, 9]


def test_nobody_but_a_member_commits_while_a_group_reads(client, topic):
    client.create(topic)
    member = joined(client.member(topic, topic))
    place = TopicPartition(topic, 0, 7)
    stranger = client.consumer(group_id=topic)
    stranger.assign([TopicPartition(topic, 0)])
    with pytest.raises(KafkaException) as raised:
        stranger.commit(offsets=[place], asynchronous=False)
    assert raised.value.args[0].code() == KafkaError.UNKNOWN_MEMBER_ID
    [altered] = client.admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(topic, [place])]).values()
    assert [place.error.code() for place in altered.result().topic_partitions] == [KafkaError.UNKNOWN_MEMBER_ID]
    assert client.committed(topic) == {}
    member.close()
    [altered] = client.admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(topic, [place])]).values()
    assert [place.error for place in altered.result().topic_partitions] == [None]
    assert client.committed(topic)[0].offset == 7


def test_a_group_is_listed_and_described_with_its_members(client, topic):
    client.create(topic, 3)
    consumer = joined(client.member(topic, topic, client_id="a client"))
    description = client.described_group(topic)
    assert (description.state, description.partition_assignor) == (ConsumerGroupState.STABLE, "range")
    [member] = description.members
    assert (member.client_id, member.host.lstrip("/"), member.member_id) == ("a client", "127.0.0.1", consumer.memberid())
    assert sorted(place.partition for place in member.assignment.topic_partitions) == [0, 1, 2]

    def listed(*states):
        return [group.group_id for group in client.admin.list_consumer_groups(states=set(states)).result().valid]

    assert topic in listed() and topic in listed(ConsumerGroupState.STABLE)
    assert topic not in listed(ConsumerGroupState.EMPTY)
    consumer.close()
    assert topic in listed(ConsumerGroupState.EMPTY)
    assert client.described_group(topic).members == []


def test_a_group_without_members_is_deleted_with_its_offsets(client, topic):
    client.create(topic)
    consumer = joined(client.member(topic, topic))
    consumer.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)

    def deleted():
        [deletion] = client.admin.delete_consumer_groups([topic]).values()
        return error_code(deletion)

    assert deleted() == KafkaError.NON_EMPTY_GROUP
    consumer.close()
    assert deleted() == KafkaError.NO_ERROR
    assert deleted() == KafkaError.GROUP_ID_NOT_FOUND
    assert client.committed(topic) == {}
