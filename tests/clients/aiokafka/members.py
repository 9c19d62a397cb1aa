"""Members of a consumer group that tell what they see to the checks of groups.py."""

import asyncio

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from client import polled
from records import Deadline

COMMIT_EVERY = 200


class Member(ConsumerRebalanceListener):
    """A consumer that reads a topic in a group, in a task of its own.

    It commits as it goes, and what it has read before it lets partitions go.
    """

    def __init__(self, client, group, group_id, name, topic, **settings):
        self.group, self.topic, self.label = group, topic, name
        self.settings = {
            "bootstrap_servers": client.bootstrap,
            "group_id": group_id,
            "client_id": name,
            "auto_offset_reset": "earliest",
            "enable_auto_commit": False,
            "heartbeat_interval_ms": 300,
            **settings,
        }
        self.stopping, self.since_commit, self.assignments = False, 0, 0
        self.reading = asyncio.create_task(self.read())
        client.stops.append(self.close)

    async def read(self):
        self.consumer = AIOKafkaConsumer(**self.settings)
        self.consumer.subscribe([self.topic], listener=self)
        await self.consumer.start()
        try:
            while not self.stopping:
                messages = await polled(self.consumer, milliseconds=100)
                for message in messages:
                    self.group.has_read(self.label, message.partition, message.offset, message.value)
                self.since_commit += len(messages)
                if not messages or self.since_commit >= COMMIT_EVERY:
                    await self.commit()
            await self.commit()
        finally:
            await self.consumer.stop()
        # This client lets its partitions go at the end without a word to the listener.
        self.group.revoked(self.label, self.group.owned_by(self.label))

    async def on_partitions_assigned(self, assigned):
        self.assignments += 1
        self.group.assigned(self.label, [place.partition for place in assigned])

    async def on_partitions_revoked(self, revoked):
        await self.commit()
        self.group.revoked(self.label, [place.partition for place in revoked])

    async def commit(self):
        self.since_commit = 0
        offsets = self.group.to_commit(self.group.owned_by(self.label))
        if not offsets:
            return
        self.group.commits(offsets)
        await self.consumer.commit({TopicPartition(self.topic, partition): offset for partition, offset in offsets.items()})
        self.group.has_committed(offsets)

    async def stop(self):
        """Leaves the group. A failure of the member fails the test."""
        await self.close()
        check([self])

    async def close(self):
        self.stopping = True
        await asyncio.wait([self.reading], timeout=60)
        assert self.reading.done(), f"{self.label} did not end"


def check(members):
    for member in members:
        if member.reading.done():
            member.reading.result()


async def wait_for(condition, members, waiting_for):
    """Waits; a failure of a member ends it."""
    deadline = Deadline()
    while not condition():
        check(members)
        deadline.check(waiting_for)
        await asyncio.sleep(0.02)


async def wait_until_settled(client, group, group_id, members, partitions):
    """Each member has its share of a stable group."""
    deadline = Deadline()
    while not (
        group.settled([member.label for member in members], partitions)
        and (await client.described_group(group_id))["state"] == "Stable"
    ):
        check(members)
        deadline.check("equal shares of a stable group")
        await asyncio.sleep(0.02)
