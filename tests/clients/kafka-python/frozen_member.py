"""A member of a group in a process of its own, so that a test may freeze it: BOOTSTRAP GROUP TOPIC

Prints the partitions that it is given, until a line comes on its input: it asks for nothing more then, and says "waiting".
Told "PARTITION OFFSET" on the next line it commits that, prints the name of the error, and ends without a word to the group.
"""

import os
import select
import sys

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata


class Told(ConsumerRebalanceListener):
    def on_partitions_assigned(self, partitions):
        print(*[place.partition for place in partitions], flush=True)

    def on_partitions_revoked(self, partitions):
        pass


bootstrap, group_id, topic = sys.argv[1:]
consumer = KafkaConsumer(
    bootstrap_servers=bootstrap,
    group_id=group_id,
    auto_offset_reset="earliest",
    enable_auto_commit=False,
    session_timeout_ms=6_000,
    heartbeat_interval_ms=1_000,
)
consumer.subscribe([topic], listener=Told())
while not select.select([sys.stdin], [], [], 0)[0]:
    consumer.poll(100)
os.read(sys.stdin.fileno(), 1)
print("waiting", flush=True)
partition, offset = map(int, sys.stdin.readline().split())
try:
    consumer.commit({TopicPartition(topic, partition): OffsetAndMetadata(offset, "", -1)}, timeout_ms=60_000)
    print("NoError", flush=True)
except KafkaError as error:
    print(type(error).__name__, flush=True)
os._exit(0)
