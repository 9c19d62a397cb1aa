"""What is produced comes back unchanged: content, size, codec, acks."""

import asyncio

import pytest
from aiokafka.errors import MessageSizeTooLargeError
from client import produce, read_all, record, take, without_time
from records import VALUE_BYTES_MAX, Record, awkward_records, many_records

CREATE_TIME = 0


async def test_a_topic_appears_with_the_first_record_sent_to_it(client, topic):
    producer = await client.producer()
    placed = [await producer.send_and_wait(topic, str(n).encode(), b"same key") for n in range(10)]
    [partition] = {place.partition for place in placed}
    assert [place.offset for place in placed] == list(range(10))
    messages = await take(await client.consumer(topic, partition + 1), 10)
    assert [(message.partition, message.key, message.value) for message in messages] == [
        (partition, b"same key", str(n).encode()) for n in range(10)
    ]


async def test_keys_values_headers_and_timestamps_survive_unchanged(client, topic):
    await client.create(topic)
    # The client itself refuses a record with neither key nor value.
    records = [record for record in awkward_records() if (record.key, record.value) != (None, None)]
    await produce(await client.producer(), topic, records)
    messages = (await read_all(client, topic))[0]
    assert [record(message) for message in messages] == records
    assert {message.timestamp_type for message in messages} == {CREATE_TIME}


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
async def test_many_records_in_a_batch_survive_each_codec(client, topic, rng, codec):
    await client.create(topic)
    records = many_records(rng, 5_000)
    producer = await client.producer(compression_type=codec, linger_ms=100, max_batch_size=500_000)
    assert await produce(producer, topic, records) == list(range(5_000))
    assert [without_time(message) for message in (await read_all(client, topic))[0]] == records


async def test_records_near_the_default_limit_of_the_client_survive(client, topic, rng):
    await client.create(topic)
    records = [Record(None, rng.randbytes(1_040_000)) for _ in range(10)]
    await produce(await client.producer(), topic, records)
    assert [without_time(message) for message in (await read_all(client, topic))[0]] == records


@pytest.mark.parametrize("idempotent", [False, True])
async def test_the_largest_batch_is_taken_and_one_byte_more_is_refused(client, topic, rng, idempotent):
    await client.create(topic)
    producer = await client.producer(max_request_size=2_000_000, enable_idempotence=idempotent)
    largest = rng.randbytes(VALUE_BYTES_MAX)
    await produce(producer, topic, [Record(None, b"before"), Record(None, largest)])
    with pytest.raises(MessageSizeTooLargeError):
        await produce(producer, topic, [Record(None, rng.randbytes(VALUE_BYTES_MAX + 1))])
    # An idempotent producer of this client does not take its sequence number back; another one goes on.
    after = await client.producer() if idempotent else producer
    await produce(after, topic, [Record(None, b"after")])
    assert [message.value for message in (await read_all(client, topic))[0]] == [b"before", largest, b"after"]


@pytest.mark.parametrize("acks", [0, 1, "all"])
async def test_every_level_of_acks_delivers(client, topic, rng, acks):
    await client.create(topic)
    records = many_records(rng, 1_000)
    offsets = await produce(await client.producer(acks=acks), topic, records)
    if acks != 0:
        assert offsets == list(range(1_000))
    assert [without_time(message) for message in await take(await client.consumer(topic), 1_000)] == records


async def test_an_idempotent_producer_delivers_in_order(client, topic, rng):
    await client.create(topic)
    records = many_records(rng, 5_000)
    assert await produce(await client.producer(enable_idempotence=True), topic, records) == list(range(5_000))
    assert [without_time(message) for message in (await read_all(client, topic))[0]] == records


async def test_two_idempotent_producers_share_a_partition(client, topic):
    await client.create(topic)
    producers = [await client.producer(enable_idempotence=True) for _ in range(2)]
    futures = [await producers[n % 2].send(topic, str(n).encode(), partition=0) for n in range(2_000)]
    await asyncio.wait_for(asyncio.gather(*futures), 45)
    values = [int(message.value) for message in (await read_all(client, topic))[0]]
    for which in range(2):
        assert [value for value in values if value % 2 == which] == list(range(which, 2_000, 2))


async def test_a_hundred_partitions_keep_every_record_in_order(client, topic):
    await client.create(topic, 100)
    producer = await client.producer()
    futures = [await producer.send(topic, str(n).encode(), partition=n % 100) for n in range(10_000)]
    await asyncio.wait_for(asyncio.gather(*futures), 45)
    for partition, messages in (await read_all(client, topic, 100)).items():
        assert [message.offset for message in messages] == list(range(100))
        assert [int(message.value) for message in messages] == list(range(partition, 10_000, 100))
