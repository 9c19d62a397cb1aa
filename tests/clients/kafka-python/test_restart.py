"""The broker is killed and started again while clients go on."""

import threading

from client import polled, read_all
from kafka import KafkaAdminClient
from records import Deadline, Ledger

PARTITIONS = 3
IN_FLIGHT_MAX = 1_000
AROUND_THE_RESTART = 3_000


def test_clients_carry_on_through_a_kill_and_no_confirmed_record_is_lost_or_doubled(client, topic, rng, start_restart):
    client.create(topic, PARTITIONS)
    consumer = client.consumer(topic, PARTITIONS)
    consumed = {partition: [] for partition in range(PARTITIONS)}
    consumed_count, sent, sending_ended = 0, 0, threading.Event()

    def consume():
        nonlocal consumed_count
        while not (sending_ended.is_set() and consumed_count == sent):
            for message in polled(consumer):
                consumed[message.partition].append((message.offset, message.value))
                consumed_count += 1

    consuming = threading.Thread(target=consume, daemon=True)

    ledger, errors, delivered = Ledger(), [], threading.Condition()
    producer = client.producer()

    def confirm(value, place):
        with delivered:
            ledger.confirm(place.partition, place.offset, value)
            delivered.notify()

    def send_until(condition):
        nonlocal sent
        deadline = Deadline()
        while not condition():
            deadline.check("deliveries")
            with delivered:
                delivered.wait_for(lambda: sent - ledger.confirmed_count() < IN_FLIGHT_MAX, timeout=0.1)
                if sent - ledger.confirmed_count() >= IN_FLIGHT_MAX:
                    continue
            partition, value = sent % PARTITIONS, f"{sent} ".encode() + rng.randbytes(rng.randint(0, 200))
            ledger.send(partition, value)
            future = producer.send(topic, value, partition=partition)
            future.add_callback(confirm, value)
            future.add_errback(errors.append)
            sent += 1

    consuming.start()
    send_until(lambda: ledger.confirmed_count() >= AROUND_THE_RESTART and consumed_count > 0)
    restart = start_restart()
    send_until(lambda: restart.poll() is not None)
    assert restart.returncode == 0
    confirmed_at_restart = ledger.confirmed_count()
    send_until(lambda: ledger.confirmed_count() >= confirmed_at_restart + AROUND_THE_RESTART)
    producer.flush(90)
    assert errors == []
    assert ledger.confirmed_count() == sent

    for partition, messages in read_all(client, topic, PARTITIONS).items():
        ledger.check_read(partition, [(message.offset, message.value) for message in messages])
    sending_ended.set()
    consuming.join(90)
    assert not consuming.is_alive(), f"the consumer got {consumed_count} of {sent} records"
    for partition, read in consumed.items():
        ledger.check_read(partition, read)


def test_topics_and_their_ids_are_the_same_after_a_kill(client, topic, start_restart):
    client.create(topic, 5)

    def described():
        # A new client each time: this one raises an error while it waits to connect again.
        [description] = client.open(KafkaAdminClient).describe_topics([topic])
        return description["error_code"], description["topic_id"], len(description["partitions"])

    before = described()
    assert start_restart().wait() == 0
    assert described() == before
