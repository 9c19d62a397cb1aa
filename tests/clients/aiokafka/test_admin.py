"""Topics grow, their configs change, and records are deleted, with Kafka's errors; a kill changes nothing of it."""

import asyncio

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    InvalidPartitionsError,
    InvalidReplicationAssignmentError,
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
    UnknownTopicOrPartitionError,
)
from client import numbered, produce, read_all
from records import Record

LIMIT = "max.message.bytes"
NO_ERROR, UNKNOWN_TOPIC, INVALID_CONFIG = 0, 3, 40
FROM_TOPIC, FROM_DEFAULT = 1, 5


async def restart(client, start_restart):
    assert await asyncio.to_thread(start_restart().wait) == 0
    await client.start()


async def configs(client, kind, name):
    """All configs of a topic or of the broker: by name the value, where it comes from, and whether it can be changed."""
    [response] = await client.admin.describe_configs([ConfigResource(kind, name)])
    [told] = response.to_object()["resources"]
    assert (told["error_code"], told["resource_name"]) == (NO_ERROR, name)
    return {
        each["config_names"]: (each["config_value"], each["config_source"], each["read_only"])
        for each in told["config_entries"]
    }


async def given(client, topic):
    """The configs that a topic has of its own."""
    told = await configs(client, ConfigResourceType.TOPIC, topic)
    return {name: value for name, (value, source, _) in told.items() if source == FROM_TOPIC}


async def altered(client, topic, changes):
    """What comes of these configs in place of all that the topic has: this client knows the older call only."""
    [response] = await client.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, changes)])
    [told] = response.to_object()["resources"]
    return told["error_code"]


async def partition_count(client, topic):
    [description] = await client.admin.describe_topics([topic])
    return len(description["partitions"])


async def test_partitions_are_added_and_are_there_after_a_kill(client, topic, start_restart):
    await client.create(topic, 2)
    await produce(await client.producer(), topic, numbered(10), 1)
    await client.admin.create_partitions({topic: NewPartitions(5)}, validate_only=True)
    assert await partition_count(client, topic) == 2
    await client.admin.create_partitions({topic: NewPartitions(5)})
    for refused in [4, 5, 100_000]:
        with pytest.raises(InvalidPartitionsError):
            await client.admin.create_partitions({topic: NewPartitions(refused)})
    with pytest.raises(UnknownTopicOrPartitionError):
        await client.admin.create_partitions({f"{topic}-unknown": NewPartitions(4)})
    assert await produce(await client.producer(), topic, numbered(10), 4) == list(range(10))
    await restart(client, start_restart)
    assert await partition_count(client, topic) == 5
    read = {partition: len(messages) for partition, messages in (await read_all(client, topic, 5)).items()}
    assert read == {0: 0, 1: 10, 2: 0, 3: 0, 4: 10}


async def test_new_partitions_are_placed_where_there_is_a_broker(client, topic):
    await client.create(topic, 1)
    [broker] = (await client.admin.describe_cluster())["brokers"]
    for elsewhere in [[[broker["node_id"] + 1], [broker["node_id"]]], [[broker["node_id"]]]]:
        with pytest.raises(InvalidReplicationAssignmentError):
            await client.admin.create_partitions({topic: NewPartitions(3, elsewhere)})
    assert await partition_count(client, topic) == 1
    await client.admin.create_partitions({topic: NewPartitions(3, [[broker["node_id"]]] * 2)})
    assert await partition_count(client, topic) == 3


async def test_configs_are_told_set_and_in_force(client, topic):
    await client.create(topic)
    all_configs = await configs(client, ConfigResourceType.TOPIC, topic)
    assert all_configs[LIMIT] == ("1048588", FROM_DEFAULT, False)
    assert await given(client, topic) == {}
    assert await altered(client, topic, {LIMIT: "1000"}) == NO_ERROR
    assert await given(client, topic) == {LIMIT: "1000"}
    with pytest.raises(MessageSizeTooLargeError):
        await produce(await client.producer(), topic, [Record(None, b"x" * 2000)])
    assert await altered(client, topic, {"flush.ms": "7"}) == NO_ERROR
    assert await given(client, topic) == {"flush.ms": "7"}
    assert await produce(await client.producer(), topic, [Record(None, b"x" * 2000)]) == [0]


@pytest.mark.parametrize("changes", [{LIMIT: "many"}, {LIMIT: "-1"}, {"no.such.config": "1"}])
async def test_a_config_that_is_wrong_is_refused_and_those_beside_it_too(client, topic, changes):
    await client.create(topic)
    assert await altered(client, topic, {"flush.ms": "7", **changes}) == INVALID_CONFIG
    assert await given(client, topic) == {}
    assert await altered(client, f"{topic}-unknown", {LIMIT: "1000"}) == UNKNOWN_TOPIC


async def test_changed_configs_are_there_after_a_kill(client, topic, start_restart):
    other = f"{topic}-other"
    await client.create(topic)
    await client.create(other)
    for each in [topic, other]:
        assert await altered(client, each, {LIMIT: "1000", "flush.ms": "7"}) == NO_ERROR
    assert await altered(client, other, {}) == NO_ERROR
    await restart(client, start_restart)
    assert await given(client, topic) == {LIMIT: "1000", "flush.ms": "7"}
    assert await given(client, other) == {}


async def test_the_broker_tells_its_configs(client):
    [broker] = (await client.admin.describe_cluster())["brokers"]
    told = await configs(client, ConfigResourceType.BROKER, str(broker["node_id"]))
    assert told["message.max.bytes"][0] == "1048588"
    assert all(read_only for _, _, read_only in told.values())


async def test_deleted_records_stay_deleted(client, topic, start_restart):
    await client.create(topic)
    place = TopicPartition(topic, 0)
    await produce(await client.producer(), topic, numbered(100))
    assert await client.admin.delete_records({place: RecordsToDelete(40)}) == {place: 40}
    assert await client.admin.delete_records({place: RecordsToDelete(10)}) == {place: 40}
    with pytest.raises(OffsetOutOfRangeError):
        await client.admin.delete_records({place: RecordsToDelete(101)})
    await restart(client, start_restart)
    consumer = await client.consumer(topic)
    assert await consumer.beginning_offsets([place]) == {place: 40}
    assert await consumer.position(place) == 40
    assert (await consumer.getone()).value == b"40"
    assert await client.admin.delete_records({place: RecordsToDelete(-1)}) == {place: 100}
    assert await produce(await client.producer(), topic, numbered(1)) == [100]
