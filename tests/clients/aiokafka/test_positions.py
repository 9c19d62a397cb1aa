"""A consumer starts where it is told: beginning, end, offset, time."""

import time

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError
from client import numbered, polled, produce, take
from records import TIMESTAMP_STEPS_MS, Record, check_timestamps


async def test_a_consumer_reads_from_the_beginning(client, topic):
    await client.create(topic)
    await produce(await client.producer(), topic, numbered(100))
    messages = await take(await client.consumer(topic), 100)
    assert [(message.offset, message.value) for message in messages] == [(n, str(n).encode()) for n in range(100)]


async def test_a_consumer_at_the_end_gets_only_new_records(client, topic):
    await client.create(topic)
    producer = await client.producer()
    await produce(producer, topic, numbered(100))
    consumer = await client.consumer(topic)
    await consumer.seek_to_end()
    assert await consumer.position(TopicPartition(topic, 0)) == 100
    assert await polled(consumer) == []
    await produce(producer, topic, numbered(10, since=100))
    assert [(message.offset, message.value) for message in await take(consumer, 10)] == [
        (n, str(n).encode()) for n in range(100, 110)
    ]


async def test_a_consumer_reads_from_an_offset_inside_a_batch(client, topic):
    await client.create(topic)
    await produce(await client.producer(linger_ms=200), topic, numbered(100))
    consumer = await client.consumer(topic)
    for offset in [42, 0, 99, 1, 98]:
        consumer.seek(TopicPartition(topic, 0), offset)
        assert [message.offset for message in await take(consumer, 100 - offset)] == list(range(offset, 100))


async def test_an_offset_beyond_the_end_resets_to_where_the_consumer_is_told(client, topic):
    await client.create(topic)
    await produce(await client.producer(), topic, numbered(10))
    consumer = await client.consumer(topic, auto_offset_reset="earliest")
    consumer.seek(TopicPartition(topic, 0), 1_000)
    assert [message.offset for message in await take(consumer, 10)] == list(range(10))


async def test_an_offset_beyond_the_end_is_an_error_where_the_consumer_may_not_reset(client, topic):
    await client.create(topic)
    await produce(await client.producer(), topic, numbered(10))
    consumer = await client.consumer(topic, auto_offset_reset="none")
    consumer.seek(TopicPartition(topic, 0), 1_000)
    with pytest.raises(OffsetOutOfRangeError):
        await take(consumer, 1)


async def test_a_timestamp_leads_to_the_first_record_at_or_after_it(client, topic):
    await client.create(topic)
    base_ms = int(time.time() * 1000) - 60_000
    records = [Record(None, b"x", timestamp_ms=base_ms + step) for step in TIMESTAMP_STEPS_MS]
    await produce(await client.producer(linger_ms=200), topic, records)
    consumer, place = await client.consumer(topic), TopicPartition(topic, 0)

    found = {}
    for wanted_ms in range(base_ms - 1, base_ms + TIMESTAMP_STEPS_MS[-1] + 2):
        if (wanted_ms - base_ms) % 1_000 in (999, 0, 1):
            found[wanted_ms] = (await consumer.offsets_for_times({place: wanted_ms}))[place]
    check_timestamps(lambda wanted_ms: found[wanted_ms] and found[wanted_ms].offset, base_ms)
    for place_found in filter(None, found.values()):
        assert place_found.timestamp == base_ms + TIMESTAMP_STEPS_MS[place_found.offset]

    consumer.seek(place, found[base_ms + 4_001].offset)
    [message] = await take(consumer, 1)
    assert (message.offset, message.timestamp) == (3, base_ms + 5_000)


async def test_the_first_and_the_next_offset_are_listed(client, topic):
    await client.create(topic, 3)
    await produce(await client.producer(), topic, numbered(7), partition=1)
    consumer = await client.consumer(topic, 3)
    places = [TopicPartition(topic, partition) for partition in range(3)]
    assert await consumer.beginning_offsets(places) == dict(zip(places, [0, 0, 0]))
    assert await consumer.end_offsets(places) == dict(zip(places, [0, 7, 0]))


async def test_a_waiting_consumer_gets_a_record_as_soon_as_it_is_there(client, topic):
    await client.create(topic)
    # A broker that let the fetch wait to its end would answer after 20 s.
    consumer = await client.consumer(topic, fetch_max_wait_ms=20_000)
    assert await polled(consumer) == []
    producer = await client.producer()
    for n in range(10):
        await produce(producer, topic, numbered(1, since=n))
        since = time.monotonic()
        [message] = await take(consumer, 1)
        assert message.value == str(n).encode()
        assert time.monotonic() - since < 5


async def test_a_consumer_of_many_partitions_gets_records_of_those_that_have_some(client, topic):
    await client.create(topic, 50)
    consumer = await client.consumer(topic, 50)
    assert await polled(consumer) == []
    producer = await client.producer()
    for n, partition in enumerate([7, 49, 7, 0, 31]):
        await produce(producer, topic, numbered(1, since=n), partition)
        [message] = await take(consumer, 1)
        assert (message.partition, message.value) == (partition, str(n).encode())
