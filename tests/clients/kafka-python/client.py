"""Short forms for what every test does with kafka-python. Settings are the client's defaults unless a test gives some."""

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from records import Deadline, Record


class Client:
    """Makes clients of one broker, and closes them at the end of a test."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.opened = []
        self.admin = self.open(KafkaAdminClient)

    def open(self, kind, **settings):
        client = kind(bootstrap_servers=self.bootstrap, **settings)
        self.opened.append(client)
        return client

    def producer(self, **settings):
        return self.open(KafkaProducer, **settings)

    def consumer(self, topic, partitions=1, **settings):
        """A consumer of the first `partitions` partitions, placed at the beginning."""
        consumer = self.open(KafkaConsumer, **settings)
        assigned = [TopicPartition(topic, partition) for partition in range(partitions)]
        consumer.assign(assigned)
        consumer.seek_to_beginning()
        return consumer

    def member(self, group_id, topic, **settings):
        """A consumer that begins at the first record, and commits only what it is told to."""
        settings = {"auto_offset_reset": "earliest", "enable_auto_commit": False, **settings}
        consumer = self.open(KafkaConsumer, group_id=group_id, **settings)
        consumer.subscribe([topic])
        return consumer

    def new_admin(self):
        """One that has not seen the broker away: while it waits to connect again a client raises errors."""
        return self.open(KafkaAdminClient)

    def described_group(self, group_id):
        return self.admin.describe_groups([group_id])[group_id]

    def committed(self, group_id):
        """Committed offsets of a group, by partition."""
        return {place.partition: told.offset for place, told in self.admin.list_group_offsets(group_id)[group_id].items()}

    def create(self, topic, partitions=1):
        self.admin.create_topics({topic: {"num_partitions": partitions}}, wait_for_metadata=True)

    def close(self):
        for client in reversed(self.opened):
            client.close()


def numbered(count, since=0):
    return [Record(None, str(n).encode()) for n in range(since, since + count)]


def produce(producer, topic, records, partition=0):
    """Sends records in order and waits; returns their offsets. An error of any fails the test."""
    futures = [
        producer.send(topic, record.value, record.key, list(record.headers), partition, record.timestamp_ms)
        for record in records
    ]
    producer.flush(45)
    return [future.get(0).offset for future in futures]


def joined(consumer):
    """The consumer, once its group has given it partitions. What it reads until then is not returned."""
    deadline = Deadline()
    while not consumer.assignment():
        deadline.check("partitions")
        polled(consumer)
    return consumer


def take(consumer, count):
    """The next `count` messages."""
    messages, deadline = [], Deadline()
    while len(messages) < count:
        deadline.check(f"message {len(messages)} of {count}")
        messages += polled(consumer, count - len(messages))
    return messages


def polled(consumer, count=500, milliseconds=200):
    return [message for batch in consumer.poll(milliseconds, count).values() for message in batch]


def read_all(client, topic, partitions=1):
    """Every message of a topic by partition, up to the end as it is now."""
    consumer = client.consumer(topic, partitions)
    ends = {place.partition: end for place, end in consumer.end_offsets(list(consumer.assignment())).items()}
    read = {partition: [] for partition in ends}
    for message in take(consumer, sum(ends.values())):
        read[message.partition].append(message)
    assert {partition: len(messages) for partition, messages in read.items()} == ends
    return read


def record(message):
    """A message as the record that was sent."""
    return Record(message.key, message.value, tuple(message.headers), message.timestamp)


def without_time(message):
    return Record(message.key, message.value, tuple(message.headers))
