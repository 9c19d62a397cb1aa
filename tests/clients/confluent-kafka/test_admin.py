"""Topics grow, their configs change, and records are deleted, with Kafka's errors."""

import pytest
from client import Deliveries, error_code, numbered, produce, read_all
from confluent_kafka import KafkaError, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource, NewPartitions

LIMIT = "max.message.bytes"


def config(client, topic):
    [described] = client.admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]).values()
    return described.result()


def alter(client, topic, name, value, operation=AlterConfigOpType.SET, **options):
    entry = ConfigEntry(name, value, incremental_operation=operation)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    [altered] = client.admin.incremental_alter_configs([resource], **options).values()
    return error_code(altered)


def grown(client, topic, partitions):
    [future] = client.admin.create_partitions([NewPartitions(topic, partitions)]).values()
    return error_code(future)


def test_partitions_are_added_and_are_there_after_a_kill(client, topic, start_restart):
    client.create(topic, 2)
    produce(client.producer(), topic, numbered(10), 1)
    assert grown(client, topic, 5) == KafkaError.NO_ERROR
    assert grown(client, topic, 4) == KafkaError.INVALID_PARTITIONS
    assert grown(client, f"{topic}-unknown", 4) == KafkaError.UNKNOWN_TOPIC_OR_PART
    assert produce(client.producer(), topic, numbered(10), 4) == list(range(10))
    assert start_restart().wait() == 0
    read = {partition: len(messages) for partition, messages in read_all(client, topic, 5).items()}
    assert read == {0: 0, 1: 10, 2: 0, 3: 0, 4: 10}


def test_a_config_is_set_and_deleted_and_in_force(client, topic, start_restart):
    client.create(topic)
    default = config(client, topic)[LIMIT]
    assert (default.value, default.is_default, default.is_read_only) == ("1048588", True, False)
    assert alter(client, topic, LIMIT, "1000", validate_only=True) == KafkaError.NO_ERROR
    assert config(client, topic)[LIMIT].value == "1048588"
    assert alter(client, topic, LIMIT, "1000") == KafkaError.NO_ERROR
    assert start_restart().wait() == 0
    client.new_admin()
    told = config(client, topic)[LIMIT]
    assert (told.value, ConfigSource(told.source), told.is_default) == ("1000", ConfigSource.DYNAMIC_TOPIC_CONFIG, False)
    deliveries, producer = Deliveries(), client.producer()
    producer.produce(topic, bytes(2_000), on_delivery=deliveries.report)
    assert producer.flush(45) == 0
    assert deliveries.errors == [KafkaError.MSG_SIZE_TOO_LARGE]
    assert alter(client, topic, LIMIT, None, AlterConfigOpType.DELETE) == KafkaError.NO_ERROR
    assert config(client, topic)[LIMIT].is_default


def test_configs_are_replaced_as_a_whole_by_the_older_call(client, topic):
    client.create(topic)

    def replaced(configs):
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, set_config=configs)
        [altered] = client.admin.alter_configs([resource]).values()
        return error_code(altered)

    assert replaced({LIMIT: "1000"}) == KafkaError.NO_ERROR
    assert config(client, topic)[LIMIT].value == "1000"
    assert replaced({}) == KafkaError.NO_ERROR
    assert config(client, topic)[LIMIT].is_default


@pytest.mark.parametrize("name, value", [(LIMIT, "many"), (LIMIT, "-1"), ("no.such.config", "1")])
def test_a_config_that_is_wrong_is_refused(client, topic, name, value):
    client.create(topic)
    assert alter(client, topic, name, value) == KafkaError.INVALID_CONFIG
    assert config(client, topic)[LIMIT].is_default


def test_deleted_records_stay_deleted(client, topic, start_restart):
    client.create(topic)
    produce(client.producer(), topic, numbered(100))

    def deleted(before):
        [deletion] = client.admin.delete_records([TopicPartition(topic, 0, before)]).values()
        return deletion

    assert deleted(40).result().low_watermark == 40
    assert error_code(deleted(101)) == KafkaError.OFFSET_OUT_OF_RANGE
    assert start_restart().wait() == 0
    client.new_admin()
    assert client.consumer().get_watermark_offsets(TopicPartition(topic, 0), 30) == (40, 100)
    assert deleted(-1).result().low_watermark == 100
    assert produce(client.producer(), topic, numbered(1)) == [100]
