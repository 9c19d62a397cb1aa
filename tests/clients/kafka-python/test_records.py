"""What is produced comes back unchanged: content, size, codec, acks."""

from dataclasses import replace

import pytest
from client import produce, read_all, record, take, without_time
from kafka.errors import MessageSizeTooLargeError
from records import VALUE_BYTES_MAX, Record, awkward_records, many_records

CREATE_TIME = 0


def test_a_topic_appears_with_the_first_record_sent_to_it(client, topic):
    producer = client.producer()
    futures = [producer.send(topic, str(n).encode(), b"same key") for n in range(10)]
    placed = [future.get(45) for future in futures]
    [partition] = {place.partition for place in placed}
    assert [place.offset for place in placed] == list(range(10))
    messages = take(client.consumer(topic, partition + 1), 10)
    assert [(message.partition, message.key, message.value) for message in messages] == [
        (partition, b"same key", str(n).encode()) for n in range(10)
    ]


def test_keys_values_headers_and_timestamps_survive_unchanged(client, topic):
    client.create(topic)
    # The client itself refuses a record with neither key nor value, and a header without a value.
    records = [
        replace(record, headers=tuple((name, value) for name, value in record.headers if value is not None))
        for record in awkward_records()
        if (record.key, record.value) != (None, None)
    ]
    produce(client.producer(), topic, records)
    messages = read_all(client, topic)[0]
    assert [record(message) for message in messages] == records
    assert {message.timestamp_type for message in messages} == {CREATE_TIME}


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
def test_many_records_in_a_batch_survive_each_codec(client, topic, rng, codec):
    client.create(topic)
    records = many_records(rng, 5_000)
    offsets = produce(client.producer(compression_type=codec, linger_ms=100, batch_size=500_000), topic, records)
    assert offsets == list(range(5_000))
    assert [without_time(message) for message in read_all(client, topic)[0]] == records


def test_records_near_the_default_limit_of_the_client_survive(client, topic, rng):
    client.create(topic)
    records = [Record(None, rng.randbytes(1_040_000)) for _ in range(10)]
    produce(client.producer(), topic, records)
    assert [without_time(message) for message in read_all(client, topic)[0]] == records


def test_the_largest_batch_is_taken_and_one_byte_more_is_refused(client, topic, rng):
    client.create(topic)
    producer = client.producer(max_request_size=2_000_000, enable_idempotence=False)
    largest = rng.randbytes(VALUE_BYTES_MAX)
    produce(producer, topic, [Record(None, b"before")])
    with pytest.raises(MessageSizeTooLargeError):
        produce(producer, topic, [Record(None, rng.randbytes(VALUE_BYTES_MAX + 1))])
    produce(producer, topic, [Record(None, largest), Record(None, b"after")])
    assert [message.value for message in read_all(client, topic)[0]] == [b"before", largest, b"after"]


def test_an_idempotent_producer_is_told_that_a_record_is_too_large(client, topic, rng):
    client.create(topic)
    producer = client.producer(max_request_size=2_000_000)
    produce(producer, topic, [Record(None, b"before")])
    with pytest.raises(MessageSizeTooLargeError):
        produce(producer, topic, [Record(None, rng.randbytes(1_500_000))])
    # This client takes the error as fatal; another one goes on.
    produce(client.producer(), topic, [Record(None, b"after")])
    assert [message.value for message in read_all(client, topic)[0]] == [b"before", b"after"]


@pytest.mark.parametrize("acks", [0, 1, "all"])
def test_every_level_of_acks_delivers(client, topic, rng, acks):
    client.create(topic)
    records = many_records(rng, 1_000)
    offsets = produce(client.producer(acks=acks, enable_idempotence=acks == "all"), topic, records)
    if acks != 0:
        assert offsets == list(range(1_000))
    assert [without_time(message) for message in take(client.consumer(topic), 1_000)] == records


def test_a_producer_without_idempotence_delivers_in_order(client, topic, rng):
    client.create(topic)
    records = many_records(rng, 5_000)
    assert produce(client.producer(enable_idempotence=False), topic, records) == list(range(5_000))
    assert [without_time(message) for message in read_all(client, topic)[0]] == records


def test_two_idempotent_producers_share_a_partition(client, topic):
    client.create(topic)
    producers = [client.producer() for _ in range(2)]
    futures = [producers[n % 2].send(topic, str(n).encode(), partition=0) for n in range(2_000)]
    for future in futures:
        future.get(45)
    values = [int(message.value) for message in read_all(client, topic)[0]]
    for which in range(2):
        assert [value for value in values if value % 2 == which] == list(range(which, 2_000, 2))


def test_a_hundred_partitions_keep_every_record_in_order(client, topic):
    client.create(topic, 100)
    producer = client.producer()
    futures = [producer.send(topic, str(n).encode(), partition=n % 100) for n in range(10_000)]
    for future in futures:
        future.get(45)
    for partition, messages in read_all(client, topic, 100).items():
        assert [message.offset for message in messages] == list(range(100))
        assert [int(message.value) for message in messages] == list(range(partition, 10_000, 100))
