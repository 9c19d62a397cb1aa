"""Topics are created, described, listed, deleted, and errors are those of Kafka."""

import uuid

import pytest
from client import produce, read_all
from kafka.errors import (
    InvalidPartitionsError,
    InvalidReplicationFactorError,
    InvalidTopicError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)
from records import Deadline, Record

NO_ERROR, UNKNOWN_TOPIC = 0, 3


def described(client, *topics):
    return {topic["name"]: topic for topic in client.admin.describe_topics(list(topics))}


def test_a_created_topic_is_listed_with_its_partitions(client, topic):
    client.create(topic, 7)
    assert topic in client.admin.list_topics()
    [broker] = client.admin.describe_cluster()["brokers"]
    assert f"{broker['host']}:{broker['port']}" == client.bootstrap
    description = described(client, topic)[topic]
    assert (description["error_code"], description["is_internal"]) == (NO_ERROR, False)
    partitions = sorted(description["partitions"], key=lambda partition: partition["partition_index"])
    assert [partition["partition_index"] for partition in partitions] == list(range(7))
    for partition in partitions:
        assert (partition["error_code"], partition["leader_id"]) == (NO_ERROR, broker["broker_id"])
        assert partition["replica_nodes"] == partition["isr_nodes"] == [broker["broker_id"]]


def test_a_topic_is_described_by_its_id(client, topic):
    client.create(topic, 3)
    topic_id = uuid.UUID(str(described(client, topic)[topic]["topic_id"]))
    assert topic_id.int != 0
    assert len(described(client, topic_id)[topic]["partitions"]) == 3


def test_an_unknown_topic_is_not_described(client, topic):
    assert described(client, topic)[topic]["error_code"] == UNKNOWN_TOPIC
    assert topic not in client.admin.list_topics()


def test_the_cluster_is_described(client):
    description = client.admin.describe_cluster()
    assert description["cluster_id"]
    assert description["controller_id"] in [broker["broker_id"] for broker in description["brokers"]]


def test_several_topics_are_created_at_once(client, topic):
    names = [f"{topic}-{n}" for n in range(5)]
    client.admin.create_topics(
        {name: {"num_partitions": n + 1} for n, name in enumerate(names)}, wait_for_metadata=True
    )
    descriptions = described(client, *names)
    assert [len(descriptions[name]["partitions"]) for name in names] == [1, 2, 3, 4, 5]


def test_a_topic_that_exists_is_not_created_again(client, topic):
    client.create(topic, 2)
    with pytest.raises(TopicAlreadyExistsError):
        client.create(topic, 3)
    assert len(described(client, topic)[topic]["partitions"]) == 2


@pytest.mark.parametrize("name", ["with space", "slash/slash", "..", "", "x" * 250])
def test_an_invalid_name_is_refused(client, name):
    with pytest.raises(InvalidTopicError):
        client.admin.create_topics([name])


def test_more_replicas_than_brokers_are_refused(client, topic):
    with pytest.raises(InvalidReplicationFactorError):
        client.admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 3}})


def test_no_partitions_are_refused(client, topic):
    with pytest.raises(InvalidPartitionsError):
        client.create(topic, 0)


def test_a_validated_creation_creates_nothing(client, topic):
    client.admin.create_topics([topic], validate_only=True)
    assert topic not in client.admin.list_topics()


def test_a_deleted_topic_is_gone(client, topic):
    client.create(topic)
    client.admin.delete_topics([topic])
    deadline = Deadline()
    while topic in client.admin.list_topics():
        deadline.check("the topic to go")


def test_a_topic_is_deleted_by_its_id(client, topic):
    client.create(topic)
    client.admin.delete_topics([uuid.UUID(str(described(client, topic)[topic]["topic_id"]))])
    deadline = Deadline()
    while topic in client.admin.list_topics():
        deadline.check("the topic to go")


def test_an_unknown_topic_is_not_deleted(client, topic):
    with pytest.raises(UnknownTopicOrPartitionError):
        client.admin.delete_topics([topic])


def test_a_topic_created_again_has_none_of_its_old_records(client, topic):
    client.create(topic)
    produce(client.producer(), topic, [Record(None, b"old")] * 10)
    client.admin.delete_topics([topic])
    client.create(topic)
    assert produce(client.producer(), topic, [Record(None, b"new")]) == [0]
    assert [message.value for message in read_all(client, topic)[0]] == [b"new"]
