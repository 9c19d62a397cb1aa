"""Short forms for what every test does with aiokafka. Settings are the client's defaults unless a test gives some."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from records import Deadline, Record


class Client:
    """Makes clients of one broker, and stops them at the end of a test."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.stops = []

    async def start(self):
        self.admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await self.admin.start()
        self.stops.append(self.admin.close)

    async def producer(self, **settings):
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap, **settings)
        await producer.start()
        self.stops.append(producer.stop)
        return producer

    async def consumer(self, topic, partitions=1, **settings):
        """A consumer of the first `partitions` partitions, placed at the beginning."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, **settings)
        await consumer.start()
        self.stops.append(consumer.stop)
        consumer.assign([TopicPartition(topic, partition) for partition in range(partitions)])
        await consumer.seek_to_beginning()
        return consumer

    async def member(self, group_id, topic, **settings):
        """A consumer that begins at the first record, commits only what it is told to, and has its partitions."""
        settings = {"auto_offset_reset": "earliest", "enable_auto_commit": False, **settings}
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=self.bootstrap, group_id=group_id, **settings)
        await consumer.start()
        self.stops.append(consumer.stop)
        return consumer

    async def described_group(self, group_id):
        [response] = await self.admin.describe_consumer_groups([group_id])
        [group] = response.to_object()["groups"]
        assert group["error_code"] == 0
        return group

    async def committed(self, group_id):
        """Committed offsets of a group, by partition."""
        listed = await self.admin.list_consumer_group_offsets(group_id)
        return {place.partition: told.offset for place, told in listed.items()}

    async def create(self, topic, partitions=1):
        response = await self.admin.create_topics([NewTopic(topic, partitions, 1)])
        assert error_codes(response.topic_errors) == [0]
        # Kafka may answer before it leads the partitions. A producer would then retry, and without idempotence reorder.
        deadline = Deadline()
        while not led((await self.admin.describe_topics([topic]))[0], partitions):
            deadline.check("the new partitions")

    async def stop(self):
        for stop in reversed(self.stops):
            await stop()


def led(topic, partitions):
    return len(topic["partitions"]) == partitions and all(
        partition["error_code"] == 0 for partition in topic["partitions"]
    )


def error_codes(topic_errors):
    """The codes of an answer with (topic, code, ...) rows."""
    return [error[1] for error in topic_errors]


def numbered(count, since=0):
    return [Record(None, str(n).encode()) for n in range(since, since + count)]


async def produce(producer, topic, records, partition=0):
    """Sends records in order and waits; returns their offsets. An error of any fails the test."""
    futures = [
        await producer.send(
            topic, record.value, record.key, partition, record.timestamp_ms, headers=list(record.headers) or None
        )
        for record in records
    ]
    placed = await asyncio.wait_for(asyncio.gather(*futures), 45)
    return [place and place.offset for place in placed]


async def take(consumer, count):
    """The next `count` messages."""
    messages, deadline = [], Deadline()
    while len(messages) < count:
        deadline.check(f"message {len(messages)} of {count}")
        messages += await polled(consumer, count - len(messages))
    return messages


async def polled(consumer, count=None, milliseconds=200):
    batches = await consumer.getmany(timeout_ms=milliseconds, max_records=count)
    return [message for batch in batches.values() for message in batch]


async def read_all(client, topic, partitions=1):
    """Every message of a topic by partition, up to the end as it is now."""
    consumer = await client.consumer(topic, partitions)
    ends = {place.partition: end for place, end in (await consumer.end_offsets(consumer.assignment())).items()}
    read = {partition: [] for partition in ends}
    for message in await take(consumer, sum(ends.values())):
        read[message.partition].append(message)
    assert {partition: len(messages) for partition, messages in read.items()} == ends
    return read


def record(message):
    """A message as the record that was sent."""
    return Record(message.key, message.value, tuple(message.headers), message.timestamp)


def without_time(message):
    return Record(message.key, message.value, tuple(message.headers))
