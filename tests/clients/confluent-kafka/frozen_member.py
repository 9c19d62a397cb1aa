"""A member of a group in a process of its own, so that a test may freeze it: BOOTSTRAP GROUP TOPIC

Prints the partitions that it is given, until a line comes on its input: it asks for nothing more then, and says "waiting".
Told "PARTITION OFFSET" on the next line it commits that, prints the name of the error, and ends without a word to the group.
"""

import os
import select
import sys

from confluent_kafka import Consumer, KafkaException, TopicPartition

bootstrap, group_id, topic = sys.argv[1:]
consumer = Consumer(
    {
        "bootstrap.servers": bootstrap,
        "group.id": group_id,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "session.timeout.ms": 6_000,
    }
)
consumer.subscribe([topic], on_assign=lambda _, given: print(*[place.partition for place in given], flush=True))
while not select.select([sys.stdin], [], [], 0)[0]:
    consumer.poll(0.1)
os.read(sys.stdin.fileno(), 1)
print("waiting", flush=True)
partition, offset = map(int, sys.stdin.readline().split())
try:
    consumer.commit(offsets=[TopicPartition(topic, partition, offset)], asynchronous=False)
    print("NO_ERROR", flush=True)
except KafkaException as error:
    print(error.args[0].name(), flush=True)
os._exit(0)
