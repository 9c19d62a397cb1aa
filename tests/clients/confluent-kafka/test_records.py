"""What is produced comes back unchanged: content, size, codec, acks."""

import pytest
from client import Deliveries, produce, read_all, record, take, without_time
from confluent_kafka import OFFSET_BEGINNING, TIMESTAMP_CREATE_TIME, KafkaError, TopicPartition
from records import VALUE_BYTES_MAX, Record, awkward_records, many_records


def test_a_topic_appears_with_the_first_record_sent_to_it(client, topic):
    deliveries = Deliveries()
    producer = client.producer()
    for n in range(10):
        producer.produce(topic, str(n), key="same key", on_delivery=deliveries.report)
    assert producer.flush(45) == 0
    [partition] = {partition for partition, _ in deliveries.offsets}
    assert [offset for _, offset in deliveries.offsets] == list(range(10))

    consumer = client.consumer()
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
    assert [(message.key(), message.value()) for message in take(consumer, 10)] == [
        (b"same key", str(n).encode()) for n in range(10)
    ]


def test_keys_values_headers_and_timestamps_survive_unchanged(client, topic):
    client.create(topic)
    records = awkward_records()
    produce(client.producer(), topic, records)
    messages = read_all(client, topic)[0]
    assert [record(message) for message in messages] == records
    assert {message.timestamp()[0] for message in messages} == {TIMESTAMP_CREATE_TIME}


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_many_records_in_a_batch_survive_each_codec(client, topic, rng, codec):
    client.create(topic)
    records = many_records(rng, 10_000)
    offsets = produce(client.producer(compression_type=codec, linger_ms=100), topic, records)
    assert offsets == list(range(10_000))
    assert [without_time(message) for message in read_all(client, topic)[0]] == records


def test_records_near_the_default_limit_of_the_client_survive(client, topic, rng):
    client.create(topic)
    records = [Record(None, rng.randbytes(999_000)) for _ in range(10)]
    produce(client.producer(), topic, records)
    assert [without_time(message) for message in read_all(client, topic)[0]] == records


def test_the_largest_batch_is_taken_and_one_byte_more_is_refused(client, topic, rng):
    client.create(topic)
    producer = client.producer(message_max_bytes=2_000_000)
    values = [b"before", rng.randbytes(VALUE_BYTES_MAX + 1), rng.randbytes(VALUE_BYTES_MAX), b"after"]
    deliveries = Deliveries()
    for value in values:
        producer.produce(topic, value, partition=0, on_delivery=deliveries.report)
        assert producer.flush(45) == 0
    assert deliveries.errors == [KafkaError.MSG_SIZE_TOO_LARGE]
    assert [message.value() for message in read_all(client, topic)[0]] == [values[0], values[2], values[3]]


def test_the_size_limit_is_that_of_the_compressed_batch(client, topic):
    client.create(topic)
    records = [Record(None, bytes(3_000_000))]
    produce(client.producer(message_max_bytes=4_000_000, compression_type="zstd"), topic, records)
    assert [without_time(message) for message in read_all(client, topic)[0]] == records


def test_an_idempotent_producer_goes_on_after_a_refused_record(client, topic, rng):
    client.create(topic)
    producer = client.producer(message_max_bytes=2_000_000, enable_idempotence=True)
    produce(producer, topic, [Record(None, b"before")])
    refused = Deliveries()
    producer.produce(topic, rng.randbytes(1_500_000), partition=0, on_delivery=refused.report)
    assert producer.flush(45) == 0
    assert refused.errors == [KafkaError.MSG_SIZE_TOO_LARGE]
    produce(producer, topic, [Record(None, b"after")])
    assert [message.value() for message in read_all(client, topic)[0]] == [b"before", b"after"]


@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_every_level_of_acks_delivers(client, topic, rng, acks):
    client.create(topic)
    records = many_records(rng, 1_000)
    offsets = produce(client.producer(acks=acks), topic, records)
    if acks != "0":
        assert offsets == list(range(1_000))
    consumer = client.consumer()
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    assert [without_time(message) for message in take(consumer, 1_000)] == records


def test_an_idempotent_producer_delivers_in_order(client, topic, rng):
    client.create(topic)
    records = many_records(rng, 20_000)
    offsets = produce(client.producer(enable_idempotence=True, linger_ms=0), topic, records)
    assert offsets == list(range(20_000))
    assert [without_time(message) for message in read_all(client, topic)[0]] == records


def test_two_idempotent_producers_share_a_partition(client, topic):
    client.create(topic)
    producers = [client.producer(enable_idempotence=True) for _ in range(2)]
    deliveries = Deliveries()
    for n in range(2_000):
        producers[n % 2].produce(topic, str(n), partition=0, on_delivery=deliveries.report)
    for producer in producers:
        assert producer.flush(45) == 0
    assert deliveries.errors == []
    values = [int(message.value()) for message in read_all(client, topic)[0]]
    for which in range(2):
        assert [value for value in values if value % 2 == which] == list(range(which, 2_000, 2))


def test_a_hundred_partitions_keep_every_record_in_order(client, topic):
    client.create(topic, 100)
    producer = client.producer()
    deliveries = Deliveries()
    for n in range(20_000):
        producer.produce(topic, str(n), partition=n % 100, on_delivery=deliveries.report)
        producer.poll(0)
    assert producer.flush(45) == 0
    assert deliveries.errors == []
    for partition, messages in read_all(client, topic, 100).items():
        assert [message.offset() for message in messages] == list(range(200))
        assert [int(message.value()) for message in messages] == list(range(partition, 20_000, 100))
