"""A member of a group in a process of its own, so that a test may freeze it: BOOTSTRAP GROUP TOPIC

Prints the partitions that it is given. Told "PARTITION OFFSET" on its input it commits that, prints the name of the error,
and ends without a word to the group.
"""

import asyncio
import os
import sys

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError


class Told(ConsumerRebalanceListener):
    def on_partitions_assigned(self, assigned):
        print(*[place.partition for place in assigned], flush=True)

    def on_partitions_revoked(self, revoked):
        pass


async def main(bootstrap, group_id, topic):
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        group_id=group_id,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6_000,
        heartbeat_interval_ms=1_000,
    )
    consumer.subscribe([topic], listener=Told())
    told = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, told.set)
    await consumer.start()
    # Told something it must not wait for records first: it would join the group again meanwhile.
    word = asyncio.create_task(told.wait())
    while not word.done():
        records = asyncio.create_task(consumer.getmany(timeout_ms=100))
        await asyncio.wait((word, records), return_when=asyncio.FIRST_COMPLETED)
        if records.done():
            records.result()
    partition, offset = map(int, sys.stdin.readline().split())
    try:
        await consumer.commit({TopicPartition(topic, partition): offset})
        print("NoError", flush=True)
    except KafkaError as error:
        print(type(error).__name__, flush=True)
    os._exit(0)


asyncio.run(main(*sys.argv[1:]))
