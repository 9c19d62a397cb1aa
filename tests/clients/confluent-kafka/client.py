"""Short forms for what every test does with confluent-kafka. Settings are the client's defaults unless a test gives some."""

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec
from records import Deadline, Record


class Client:
    """Makes clients of one broker, and closes its consumers at the end of a test."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.admin = AdminClient({"bootstrap.servers": bootstrap})
        self.consumers = []

    def producer(self, **settings):
        return Producer({"bootstrap.servers": self.bootstrap, **dotted(settings)})

    def consumer(self, **settings):
        # The client demands a group id, even from a consumer that never joins a group.
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "unused", **dotted(settings)})
        self.consumers.append(consumer)
        return consumer

    def member(self, group_id, topic=None, **settings):
        """A consumer that begins at the first record, and commits only what it is told to."""
        settings = {"enable_auto_commit": False, **settings}
        consumer = self.consumer(group_id=group_id, auto_offset_reset="earliest", **settings)
        if topic is not None:
            consumer.subscribe([topic])
        return consumer

    def new_admin(self):
        """One that has not seen the broker away: asked about a group at that moment the client may abort the process."""
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap})
        return self.admin

    def described_group(self, group_id):
        [description] = self.admin.describe_consumer_groups([group_id]).values()
        return description.result()

    def committed(self, group_id, topic=None, partitions=1):
        """Committed places of a group, by partition: all there are, or what is known of the partitions of a topic."""
        places = topic and [TopicPartition(topic, partition) for partition in range(partitions)]
        [listed] = self.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group_id, places)]).values()
        for place in listed.result().topic_partitions:
            assert place.error is None, place
        return {place.partition: place for place in listed.result().topic_partitions}

    def create(self, topic, partitions=1):
        [created] = self.admin.create_topics([NewTopic(topic, partitions)]).values()
        created.result()
        # Kafka may answer before it leads the partitions. A producer would then retry, and without idempotence reorder.
        ends = {TopicPartition(topic, partition): OffsetSpec.latest() for partition in range(partitions)}
        deadline = Deadline()
        while any(error_code(listed) for listed in self.admin.list_offsets(ends).values()):
            deadline.check("the new partitions")

    def close(self):
        for consumer in self.consumers:
            consumer.close()


def dotted(settings):
    """Names of settings as the client has them. Those of callbacks stay."""

    def setting(name):
        return name if name.endswith("_cb") or name == "on_commit" else name.replace("_", ".")

    return {setting(name): value for name, value in settings.items()}


def numbered(count, since=0):
    return [Record(None, str(n).encode()) for n in range(since, since + count)]


class Deliveries:
    """The delivery reports of a producer."""

    def __init__(self):
        self.offsets = []
        self.errors = []

    def report(self, error, message):
        if error is None:
            self.offsets.append((message.partition(), message.offset()))
        else:
            self.errors.append(error.code())


def produce(producer, topic, records, partition=0):
    """Sends records in order and waits; returns their offsets. An error of any fails the test."""
    deliveries = Deliveries()
    for record in records:
        timestamp = {} if record.timestamp_ms is None else {"timestamp": record.timestamp_ms}
        headers = list(record.headers) or None
        while True:
            try:
                producer.produce(
                    topic, record.value, record.key, partition, on_delivery=deliveries.report, headers=headers, **timestamp
                )
                break
            except BufferError:
                producer.poll(1)
    assert producer.flush(45) == 0
    assert deliveries.errors == []
    assert all(to == partition for to, _ in deliveries.offsets)
    return [offset for _, offset in deliveries.offsets]


def joined(consumer):
    """The consumer, once its group has given it partitions. Not for a topic with records: what it reads would be lost."""
    deadline = Deadline()
    while not consumer.assignment():
        deadline.check("partitions")
        assert consumer.poll(0.1) is None
    return consumer


def take(consumer, count):
    """The next `count` messages."""
    messages, deadline = [], Deadline()
    while len(messages) < count:
        deadline.check(f"message {len(messages)} of {count}")
        messages += polled(consumer, count - len(messages))
    return messages


def polled(consumer, count, seconds=0.2):
    messages = consumer.consume(count, seconds)
    for message in messages:
        assert message.error() is None, message.error()
    return messages


def read_all(client, topic, partitions=1):
    """Every message of a topic by partition, up to the end as it is now."""
    consumer = client.consumer()
    ends = {
        partition: consumer.get_watermark_offsets(TopicPartition(topic, partition), 10)[1] for partition in range(partitions)
    }
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(partitions)])
    read = {partition: [] for partition in range(partitions)}
    for message in take(consumer, sum(ends.values())):
        read[message.partition()].append(message)
    assert {partition: len(messages) for partition, messages in read.items()} == ends
    return read


def record(message):
    """A message as the record that was sent."""
    return Record(message.key(), message.value(), tuple(message.headers() or ()), message.timestamp()[1])


def without_time(message):
    return Record(message.key(), message.value(), tuple(message.headers() or ()))


def error_code(future):
    """The error an admin call ends with."""
    try:
        future.result()
    except Exception as error:
        assert isinstance(error.args[0], KafkaError), error
        return error.args[0].code()
    return KafkaError.NO_ERROR
