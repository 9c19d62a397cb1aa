"""The broker is killed and started again while clients go on."""

import threading

from client import read_all
from confluent_kafka import OFFSET_BEGINNING, TopicCollection, TopicPartition
from records import Deadline, Ledger

PARTITIONS = 3
IN_FLIGHT_MAX = 2_000
AROUND_THE_RESTART = 5_000


def test_clients_carry_on_through_a_kill_and_no_confirmed_record_is_lost_or_doubled(client, topic, rng, start_restart):
    client.create(topic, PARTITIONS)
    consumer = client.consumer()
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(PARTITIONS)])
    consumed = {partition: [] for partition in range(PARTITIONS)}
    consumed_count, sending_ended = 0, threading.Event()

    def consume():
        nonlocal consumed_count
        while not (sending_ended.is_set() and consumed_count == sent):
            for message in consumer.consume(1_000, 0.1):
                if message.error() is None:
                    consumed[message.partition()].append((message.offset(), message.value()))
                    consumed_count += 1
                else:
                    assert message.error().retriable() or not message.error().fatal(), message.error()

    consuming = threading.Thread(target=consume, daemon=True)

    ledger, errors, sent = Ledger(), [], 0

    def report(error, message):
        if error is None:
            ledger.confirm(message.partition(), message.offset(), message.value())
        else:
            errors.append(error)

    producer = client.producer(enable_idempotence=True)

    def send_until(condition):
        nonlocal sent
        deadline = Deadline()
        while not condition():
            deadline.check("deliveries")
            if sent - ledger.confirmed_count() >= IN_FLIGHT_MAX:
                producer.poll(0.1)
                continue
            partition, value = sent % PARTITIONS, f"{sent} ".encode() + rng.randbytes(rng.randint(0, 200))
            ledger.send(partition, value)
            producer.produce(topic, value, partition=partition, on_delivery=report)
            sent += 1
            producer.poll(0)

    consuming.start()
    send_until(lambda: ledger.confirmed_count() >= AROUND_THE_RESTART and consumed_count > 0)
    restart = start_restart()
    send_until(lambda: restart.poll() is not None)
    assert restart.returncode == 0
    confirmed_at_restart = ledger.confirmed_count()
    send_until(lambda: ledger.confirmed_count() >= confirmed_at_restart + AROUND_THE_RESTART)
    assert producer.flush(90) == 0
    assert errors == []
    assert ledger.confirmed_count() == sent

    for partition, messages in read_all(client, topic, PARTITIONS).items():
        ledger.check_read(partition, [(message.offset(), message.value()) for message in messages])
    sending_ended.set()
    consuming.join(90)
    assert not consuming.is_alive(), f"the consumer got {consumed_count} of {sent} records"
    for partition, read in consumed.items():
        ledger.check_read(partition, read)


def test_topics_and_their_ids_are_the_same_after_a_kill(client, topic, start_restart):
    client.create(topic, 5)

    def described():
        [future] = client.admin.describe_topics(TopicCollection([topic])).values()
        description = future.result()
        return str(description.topic_id), len(description.partitions)

    before = described()
    assert start_restart().wait() == 0
    assert described() == before
