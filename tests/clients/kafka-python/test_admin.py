"""Topics grow, their configs change, records and what they take up are told and deleted, with Kafka's errors."""

import pytest
from client import numbered, produce, read_all
from kafka import TopicPartition
from kafka.admin import ConfigResource, OffsetSpec
from kafka.errors import InvalidPartitionsError, MessageSizeTooLargeError, OffsetOutOfRangeError, UnknownTopicOrPartitionError
from records import Record

LIMIT = "max.message.bytes"


def config(client, topic, **options):
    described = client.admin.describe_configs([ConfigResource("TOPIC", topic)], **options)
    return described["topic"][topic]


def alter(client, topic, changes, **options):
    altered = client.admin.alter_configs([ConfigResource("TOPIC", topic, changes)], **options)
    return altered["topic"][topic]


def test_partitions_are_added_and_are_there_after_a_kill(client, topic, start_restart):
    client.create(topic, 2)
    produce(client.producer(), topic, numbered(10), 1)
    client.admin.create_partitions({topic: 5}, validate_only=True)
    assert len(client.admin.describe_topics([topic])[0]["partitions"]) == 2
    client.admin.create_partitions({topic: 5})
    with pytest.raises(InvalidPartitionsError):
        client.admin.create_partitions({topic: 4})
    with pytest.raises(UnknownTopicOrPartitionError):
        client.admin.create_partitions({f"{topic}-unknown": 4})
    assert produce(client.producer(), topic, numbered(10), 4) == list(range(10))
    assert start_restart().wait() == 0
    client.admin = client.new_admin()
    read = {partition: len(messages) for partition, messages in read_all(client, topic, 5).items()}
    assert read == {0: 0, 1: 10, 2: 0, 3: 0, 4: 10}


def test_a_config_is_set_and_deleted_and_in_force(client, topic):
    client.create(topic)
    default = config(client, topic, config_filter="all")[LIMIT]
    assert (default["value"], default["config_source"], default["read_only"]) == ("1048588", "DEFAULT_CONFIG", False)
    assert config(client, topic) == {}
    assert alter(client, topic, {LIMIT: "1000"}, validate_only=True) == "OK"
    assert config(client, topic) == {}
    assert alter(client, topic, {LIMIT: "1000"}) == "OK"
    told = config(client, topic, include_synonyms=True)
    assert list(told) == [LIMIT]
    assert (told[LIMIT]["value"], told[LIMIT]["config_source"]) == ("1000", "DYNAMIC_TOPIC_CONFIG")
    assert [synonym["source"] for synonym in told[LIMIT]["synonyms"]] == ["DYNAMIC_TOPIC_CONFIG", "DEFAULT_CONFIG"]
    with pytest.raises(MessageSizeTooLargeError):
        produce(client.producer(), topic, [Record(None, b"x" * 2000)])
    assert alter(client, topic, {LIMIT: ("DELETE", None)}) == "OK"
    assert config(client, topic) == {}
    assert produce(client.producer(), topic, [Record(None, b"x" * 2000)]) == [0]


def test_configs_are_replaced_as_a_whole_by_the_older_call(client, topic):
    client.create(topic)
    assert alter(client, topic, {LIMIT: "1000"}, incremental=False) == "OK"
    assert config(client, topic)[LIMIT]["value"] == "1000"
    client.admin.reset_configs([ConfigResource("TOPIC", topic)], incremental=False)
    assert config(client, topic) == {}


@pytest.mark.parametrize("changes", [{LIMIT: "many"}, {LIMIT: "-1"}, {"no.such.config": "1"}])
def test_a_config_that_is_wrong_is_refused(client, topic, changes):
    client.create(topic)
    assert "InvalidConfig" in alter(client, topic, changes, raise_on_unknown=False)
    assert config(client, topic) == {}


def test_changed_configs_are_there_after_a_kill(client, topic, start_restart):
    client.create(topic)
    other = f"{topic}-other"
    client.create(other)
    assert alter(client, topic, {LIMIT: "1000"}) == alter(client, other, {LIMIT: "1000"}) == "OK"
    assert alter(client, other, {LIMIT: ("DELETE", None)}) == "OK"
    assert start_restart().wait() == 0
    client.admin = client.new_admin()
    assert config(client, topic)[LIMIT]["value"] == "1000"
    assert config(client, other) == {}


def test_the_broker_tells_its_configs(client):
    [broker] = client.admin.describe_cluster()["brokers"]
    name = str(broker["broker_id"])
    told = client.admin.describe_configs([ConfigResource("BROKER", name)], config_filter="all")["broker"][name]
    assert told["message.max.bytes"]["value"] == "1048588"


def test_deleted_records_stay_deleted(client, topic, start_restart):
    client.create(topic)
    place = TopicPartition(topic, 0)
    produce(client.producer(), topic, numbered(100))
    assert client.admin.delete_records({place: 40})[place]["low_watermark"] == 40
    assert client.admin.delete_records({place: 10})[place]["low_watermark"] == 40
    with pytest.raises(OffsetOutOfRangeError):
        client.admin.delete_records({place: 101})
    assert start_restart().wait() == 0
    client.admin = client.new_admin()
    assert client.admin.list_partition_offsets({place: OffsetSpec.EARLIEST})[place].offset == 40
    consumer = client.consumer(topic)
    assert consumer.position(place) == 40
    assert client.admin.delete_records({place: -1})[place]["low_watermark"] == 100
    assert produce(client.producer(), topic, numbered(1)) == [100]


def test_what_a_topic_takes_up_is_told(client, topic):
    client.create(topic, 2)
    produce(client.producer(), topic, [Record(None, bytes(1000))] * 100)
    [answer] = client.admin.describe_log_dirs([topic])
    [directory] = answer["log_dirs"]
    assert directory["error_code"] == 0
    [told] = directory["topics"]
    sizes = {partition["partition_index"]: partition["partition_size"] for partition in told["partitions"]}
    assert told["name"] == topic and sizes[0] >= 100_000 and sizes[1] == 0


def test_partitions_of_a_topic_are_described_page_by_page(client, topic):
    client.create(topic, 5)
    answer = client.admin.describe_topic_partitions([topic], response_partition_limit=3)
    [told] = answer["topics"]
    assert [partition["partition_index"] for partition in told["partitions"]] == [0, 1, 2]
    assert (answer["next_cursor"]["topic_name"], answer["next_cursor"]["partition_index"]) == (topic, 3)
