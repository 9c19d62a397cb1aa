"""The broker is killed and started again while clients go on."""

import asyncio

from client import polled, read_all
from records import Deadline, Ledger

PARTITIONS = 3
IN_FLIGHT_MAX = 1_000
AROUND_THE_RESTART = 3_000


async def test_clients_carry_on_through_a_kill_and_no_confirmed_record_is_lost_or_doubled(
    client, topic, rng, start_restart
):
    await client.create(topic, PARTITIONS)
    consumer = await client.consumer(topic, PARTITIONS)
    consumed = {partition: [] for partition in range(PARTITIONS)}
    consumed_count, sent = 0, 0

    async def consume():
        nonlocal consumed_count
        while True:
            for message in await polled(consumer):
                consumed[message.partition].append((message.offset, message.value))
                consumed_count += 1

    consuming = asyncio.create_task(consume())

    ledger, in_flight = Ledger(), set()
    producer = await client.producer(enable_idempotence=True)

    async def send_until(condition):
        nonlocal sent, in_flight
        deadline = Deadline()
        while not condition():
            deadline.check("deliveries")
            if len(in_flight) >= IN_FLIGHT_MAX:
                await confirmed(asyncio.FIRST_COMPLETED)
                continue
            partition, value = sent % PARTITIONS, f"{sent} ".encode() + rng.randbytes(rng.randint(0, 200))
            ledger.send(partition, value)
            delivery = await producer.send(topic, value, partition=partition)
            in_flight.add(asyncio.create_task(confirm(delivery, value)))
            sent += 1
            await asyncio.sleep(0)

    async def confirm(delivery, value):
        place = await delivery
        ledger.confirm(place.partition, place.offset, value)

    async def confirmed(when, seconds=0.1):
        """Waits for deliveries; an error of any fails the test."""
        nonlocal in_flight
        done, in_flight = await asyncio.wait(in_flight, return_when=when, timeout=seconds)
        for delivery in done:
            delivery.result()

    await send_until(lambda: ledger.confirmed_count() >= AROUND_THE_RESTART and consumed_count > 0)
    restart = start_restart()
    await send_until(lambda: restart.poll() is not None)
    assert restart.returncode == 0
    confirmed_at_restart = ledger.confirmed_count()
    await send_until(lambda: ledger.confirmed_count() >= confirmed_at_restart + AROUND_THE_RESTART)
    await confirmed(asyncio.ALL_COMPLETED, 90)
    assert ledger.confirmed_count() == sent

    for partition, messages in (await read_all(client, topic, PARTITIONS)).items():
        ledger.check_read(partition, [(message.offset, message.value) for message in messages])
    deadline = Deadline()
    while consumed_count < sent:
        deadline.check(f"the consumer, which got {consumed_count} of {sent} records")
        assert not consuming.done(), consuming.exception()
        await asyncio.sleep(0.01)
    consuming.cancel()
    for partition, read in consumed.items():
        ledger.check_read(partition, read)


async def test_topics_are_the_same_after_a_kill(client, topic, start_restart):
    await client.create(topic, 5)
    assert await asyncio.to_thread(start_restart().wait) == 0
    await client.start()
    assert topic in await client.admin.list_topics()
    [description] = await client.admin.describe_topics([topic])
    assert len(description["partitions"]) == 5
