"""A consumer starts where it is told: beginning, end, offset, time."""

import time

import pytest
from client import numbered, polled, produce, take
from kafka import TopicPartition
from kafka.errors import OffsetOutOfRangeError
from records import TIMESTAMP_STEPS_MS, Record, check_timestamps


def test_a_consumer_reads_from_the_beginning(client, topic):
    client.create(topic)
    produce(client.producer(), topic, numbered(100))
    messages = take(client.consumer(topic), 100)
    assert [(message.offset, message.value) for message in messages] == [(n, str(n).encode()) for n in range(100)]


def test_a_consumer_at_the_end_gets_only_new_records(client, topic):
    client.create(topic)
    producer = client.producer()
    produce(producer, topic, numbered(100))
    consumer = client.consumer(topic)
    consumer.seek_to_end()
    assert consumer.position(TopicPartition(topic, 0)) == 100
    assert polled(consumer) == []
    produce(producer, topic, numbered(10, since=100))
    assert [(message.offset, message.value) for message in take(consumer, 10)] == [
        (n, str(n).encode()) for n in range(100, 110)
    ]


def test_a_consumer_reads_from_an_offset_inside_a_batch(client, topic):
    client.create(topic)
    produce(client.producer(linger_ms=200), topic, numbered(100))
    consumer = client.consumer(topic)
    for offset in [42, 0, 99, 1, 98]:
        consumer.seek(TopicPartition(topic, 0), offset)
        assert [message.offset for message in take(consumer, 100 - offset)] == list(range(offset, 100))


def test_an_offset_beyond_the_end_resets_to_where_the_consumer_is_told(client, topic):
    client.create(topic)
    produce(client.producer(), topic, numbered(10))
    consumer = client.consumer(topic, auto_offset_reset="earliest")
    consumer.seek(TopicPartition(topic, 0), 1_000)
    assert [message.offset for message in take(consumer, 10)] == list(range(10))


def test_an_offset_beyond_the_end_is_an_error_where_the_consumer_may_not_reset(client, topic):
    client.create(topic)
    produce(client.producer(), topic, numbered(10))
    consumer = client.consumer(topic, auto_offset_reset="none")
    consumer.seek(TopicPartition(topic, 0), 1_000)
    with pytest.raises(OffsetOutOfRangeError):
        take(consumer, 1)


def test_a_timestamp_leads_to_the_first_record_at_or_after_it(client, topic):
    client.create(topic)
    base_ms = int(time.time() * 1000) - 60_000
    records = [Record(None, b"x", timestamp_ms=base_ms + step) for step in TIMESTAMP_STEPS_MS]
    produce(client.producer(linger_ms=200), topic, records)
    consumer, place = client.consumer(topic), TopicPartition(topic, 0)

    def lookup(timestamp_ms):
        found = consumer.offsets_for_times({place: timestamp_ms})[place]
        if found is None:
            return None
        assert found.timestamp == base_ms + TIMESTAMP_STEPS_MS[found.offset]
        return found.offset

    check_timestamps(lookup, base_ms)
    consumer.seek(place, lookup(base_ms + 4_500))
    [message] = take(consumer, 1)
    assert (message.offset, message.timestamp) == (3, base_ms + 5_000)


def test_the_first_and_the_next_offset_are_listed(client, topic):
    client.create(topic, 3)
    produce(client.producer(), topic, numbered(7), partition=1)
    consumer = client.consumer(topic, 3)
    places = [TopicPartition(topic, partition) for partition in range(3)]
    assert consumer.beginning_offsets(places) == dict(zip(places, [0, 0, 0]))
    assert consumer.end_offsets(places) == dict(zip(places, [0, 7, 0]))


def test_a_waiting_consumer_gets_a_record_as_soon_as_it_is_there(client, topic):
    client.create(topic)
    # A broker that let the fetch wait to its end would answer after 20 s.
    consumer = client.consumer(topic, fetch_max_wait_ms=20_000)
    assert polled(consumer) == []
    producer = client.producer()
    for n in range(10):
        produce(producer, topic, numbered(1, since=n))
        since = time.monotonic()
        assert take(consumer, 1)[0].value == str(n).encode()
        assert time.monotonic() - since < 5


def test_a_consumer_of_many_partitions_gets_records_of_those_that_have_some(client, topic):
    client.create(topic, 50)
    consumer = client.consumer(topic, 50)
    assert polled(consumer) == []
    producer = client.producer()
    # Each round is a fetch in the same session, in which only one partition has something new.
    for n, partition in enumerate([7, 49, 7, 0, 31]):
        produce(producer, topic, numbered(1, since=n), partition)
        [message] = take(consumer, 1)
        assert (message.partition, message.value) == (partition, str(n).encode())
