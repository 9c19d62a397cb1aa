"""Topics are created, described, listed, deleted, and errors are those of Kafka."""

import pytest
from client import Deliveries, error_code, produce, read_all
from confluent_kafka import KafkaError, TopicCollection
from confluent_kafka.admin import NewTopic
from records import Deadline, Record


def created(client, *new_topics, **options):
    return [error_code(future) for future in client.admin.create_topics(list(new_topics), **options).values()]


def deleted(client, *topics):
    return [error_code(future) for future in client.admin.delete_topics(list(topics)).values()]


def test_a_created_topic_is_listed_with_its_partitions(client, topic):
    client.create(topic, 7)
    metadata = client.admin.list_topics(timeout=10)
    assert topic in metadata.topics
    [broker] = metadata.brokers.values()
    assert f"{broker.host}:{broker.port}" == client.bootstrap
    partitions = metadata.topics[topic].partitions
    assert sorted(partitions) == list(range(7))
    for partition in partitions.values():
        assert (partition.error, partition.leader) == (None, broker.id)
        assert (partition.replicas, partition.isrs) == ([broker.id], [broker.id])


def test_a_topic_is_described_with_its_id(client, topic):
    client.create(topic, 3)
    [future] = client.admin.describe_topics(TopicCollection([topic])).values()
    description = future.result()
    assert (description.name, description.is_internal, len(description.partitions)) == (topic, False, 3)
    assert str(description.topic_id) not in ("", "AAAAAAAAAAAAAAAAAAAAAA")


def test_an_unknown_topic_is_not_described(client, topic):
    [future] = client.admin.describe_topics(TopicCollection([topic])).values()
    assert error_code(future) == KafkaError.UNKNOWN_TOPIC_OR_PART
    assert topic not in client.admin.list_topics(timeout=10).topics


def test_the_cluster_is_described(client):
    description = client.admin.describe_cluster().result()
    assert description.cluster_id
    [node] = description.nodes
    assert f"{node.host}:{node.port}" == client.bootstrap


def test_several_topics_are_created_at_once(client, topic):
    names = [f"{topic}-{n}" for n in range(5)]
    assert created(client, *[NewTopic(name, n + 1) for n, name in enumerate(names)]) == [KafkaError.NO_ERROR] * 5
    listed = client.admin.list_topics(timeout=10).topics
    assert [len(listed[name].partitions) for name in names] == [1, 2, 3, 4, 5]


def test_a_topic_that_exists_is_not_created_again(client, topic):
    client.create(topic, 2)
    assert created(client, NewTopic(topic, 3)) == [KafkaError.TOPIC_ALREADY_EXISTS]
    assert len(client.admin.list_topics(topic, timeout=10).topics[topic].partitions) == 2


@pytest.mark.parametrize("name", ["with space", "slash/slash", "..", "x" * 250])
def test_an_invalid_name_is_refused(client, name):
    assert created(client, NewTopic(name, 1)) == [KafkaError.TOPIC_EXCEPTION]


def test_more_replicas_than_brokers_are_refused(client, topic):
    assert created(client, NewTopic(topic, 1, replication_factor=3)) == [KafkaError.INVALID_REPLICATION_FACTOR]


def test_a_validated_creation_creates_nothing(client, topic):
    assert created(client, NewTopic(topic, 1), validate_only=True) == [KafkaError.NO_ERROR]
    assert topic not in client.admin.list_topics(timeout=10).topics


def test_a_deleted_topic_is_gone(client, topic):
    client.create(topic)
    assert deleted(client, topic) == [KafkaError.NO_ERROR]
    deadline = Deadline()
    while topic in client.admin.list_topics(timeout=10).topics:
        deadline.check("the topic to go")


def test_an_unknown_topic_is_not_deleted(client, topic):
    assert deleted(client, topic) == [KafkaError.UNKNOWN_TOPIC_OR_PART]


def test_a_topic_created_again_has_none_of_its_old_records(client, topic):
    client.create(topic)
    produce(client.producer(), topic, [Record(None, b"old")] * 10)
    assert deleted(client, topic) == [KafkaError.NO_ERROR]
    client.create(topic)
    assert produce(client.producer(), topic, [Record(None, b"new")]) == [0]
    assert [message.value() for message in read_all(client, topic)[0]] == [b"new"]


def test_a_producer_without_auto_creation_gets_an_unknown_topic_error(client, topic):
    producer = client.producer(allow_auto_create_topics=False, topic_metadata_propagation_max_ms=0)
    deliveries = Deliveries()
    producer.produce(topic, b"x", on_delivery=deliveries.report)
    assert producer.flush(45) == 0
    assert deliveries.errors == [KafkaError.UNKNOWN_TOPIC_OR_PART]
