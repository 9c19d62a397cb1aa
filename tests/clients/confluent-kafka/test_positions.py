"""A consumer starts where it is told: beginning, end, offset, time."""

import time

from client import numbered, produce, take
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, TopicPartition
from confluent_kafka.admin import OffsetSpec
from records import TIMESTAMP_STEPS_MS, Deadline, Record, check_timestamps


def test_a_consumer_reads_from_the_beginning(client, topic):
    client.create(topic)
    produce(client.producer(), topic, numbered(100))
    consumer = client.consumer()
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    messages = take(consumer, 100)
    assert [(message.offset(), message.value()) for message in messages] == [(n, str(n).encode()) for n in range(100)]


def test_a_consumer_at_the_end_gets_only_new_records(client, topic):
    client.create(topic)
    producer = client.producer()
    produce(producer, topic, numbered(100))
    consumer = client.consumer()
    consumer.assign([TopicPartition(topic, 0, OFFSET_END)])
    # The consumer finds the end in its own time: records are sent until one arrives.
    received, sent, deadline = [], 100, Deadline()
    while not received:
        deadline.check("a new record")
        produce(producer, topic, numbered(1, since=sent))
        sent += 1
        received = consumer.consume(10, 0.1)
    assert received[0].offset() >= 100
    for expected, message in enumerate(received, received[0].offset()):
        assert (message.offset(), message.value()) == (expected, str(expected).encode())


def test_a_consumer_reads_from_an_offset_inside_a_batch(client, topic):
    client.create(topic)
    produce(client.producer(linger_ms=200), topic, numbered(100))
    for offset in [0, 1, 42, 98, 99]:
        consumer = client.consumer()
        consumer.assign([TopicPartition(topic, 0, offset)])
        assert [message.offset() for message in take(consumer, 100 - offset)] == list(range(offset, 100))


def test_a_consumer_seeks_back_and_forth(client, topic):
    client.create(topic)
    produce(client.producer(), topic, numbered(1_000))
    consumer = client.consumer()
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    take(consumer, 500)
    for offset in [900, 10, 999, 0]:
        consumer.seek(TopicPartition(topic, 0, offset))
        assert take(consumer, 1)[0].offset() == offset


def test_an_offset_beyond_the_end_resets_to_where_the_consumer_is_told(client, topic):
    client.create(topic)
    produce(client.producer(), topic, numbered(10))
    consumer = client.consumer(auto_offset_reset="earliest")
    consumer.assign([TopicPartition(topic, 0, 1_000)])
    assert [message.offset() for message in take(consumer, 10)] == list(range(10))


def test_a_timestamp_leads_to_the_first_record_at_or_after_it(client, topic):
    client.create(topic)
    base_ms = int(time.time() * 1000) - 60_000
    records = [Record(None, b"x", timestamp_ms=base_ms + step) for step in TIMESTAMP_STEPS_MS]
    produce(client.producer(linger_ms=200), topic, records)
    consumer = client.consumer()

    def lookup(timestamp_ms):
        [found] = consumer.offsets_for_times([TopicPartition(topic, 0, timestamp_ms)], timeout=10)
        assert found.error is None
        return None if found.offset == OFFSET_END else found.offset

    check_timestamps(lookup, base_ms)
    consumer.assign(consumer.offsets_for_times([TopicPartition(topic, 0, base_ms + 4_500)], timeout=10))
    [message] = take(consumer, 1)
    assert (message.offset(), message.timestamp()[1]) == (3, base_ms + 5_000)


def test_a_timestamp_is_found_among_many_batches(client, topic):
    client.create(topic)
    base_ms = int(time.time() * 1000) - 60_000
    producer = client.producer()
    for batch in range(20):
        first = batch * 50
        produce(producer, topic, [Record(None, b"x" * 200, timestamp_ms=base_ms + n * 10) for n in range(first, first + 50)])
    consumer = client.consumer()
    for wanted_ms in range(0, 10_000, 490):
        [found] = consumer.offsets_for_times([TopicPartition(topic, 0, base_ms + wanted_ms)], timeout=10)
        assert found.offset == wanted_ms // 10


def test_offsets_are_listed_by_earliest_latest_and_largest_timestamp(client, topic):
    client.create(topic)
    base_ms = int(time.time() * 1000) - 60_000
    produce(client.producer(), topic, [Record(None, b"x", timestamp_ms=base_ms + by) for by in (0, 70, 30)])

    def listed(spec):
        [future] = client.admin.list_offsets({TopicPartition(topic, 0): spec}).values()
        return future.result()

    assert listed(OffsetSpec.earliest()).offset == 0
    assert listed(OffsetSpec.latest()).offset == 3
    largest = listed(OffsetSpec.max_timestamp())
    assert (largest.offset, largest.timestamp) == (1, base_ms + 70)
    assert listed(OffsetSpec.for_timestamp(base_ms + 31)).offset == 1


def test_a_waiting_consumer_gets_a_record_as_soon_as_it_is_there(client, topic):
    client.create(topic)
    # A broker that let the fetch wait to its end would answer after 30 s.
    consumer = client.consumer(fetch_wait_max_ms=30_000)
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    assert consumer.poll(0.5) is None
    producer = client.producer()
    for n in range(10):
        produce(producer, topic, numbered(1, since=n))
        since = time.monotonic()
        assert take(consumer, 1)[0].value() == str(n).encode()
        assert time.monotonic() - since < 5
