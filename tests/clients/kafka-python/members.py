"""Members of a consumer group that tell what they see to the checks of groups.py."""

import threading

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError, RebalanceInProgressError
from kafka.structs import OffsetAndMetadata
from records import Deadline

COMMIT_EVERY = 200


class Member(threading.Thread, ConsumerRebalanceListener):
    """A consumer that reads a topic in a group, polled by a thread of its own.

    It commits as it goes and before it leaves, but not where it has to let partitions go: the client offers no way for that.
    """

    def __init__(self, client, group, group_id, name, topic, **settings):
        super().__init__(daemon=True)
        self.client, self.group, self.topic, self.label = client, group, topic, name
        self.settings = {
            "group_id": group_id,
            "client_id": name,
            "auto_offset_reset": "earliest",
            "enable_auto_commit": False,
            **settings,
        }
        self.stopping = threading.Event()
        self.failure, self.membership, self.since_commit = None, None, 0
        client.opened.append(self)
        self.start()

    def run(self):
        try:
            self.consumer = KafkaConsumer(bootstrap_servers=self.client.bootstrap, **self.settings)
            self.consumer.subscribe([self.topic], listener=self)
            while not self.stopping.is_set():
                batches = self.consumer.poll(100)
                for messages in batches.values():
                    for message in messages:
                        self.group.has_read(self.label, message.partition, message.offset, message.value)
                        self.since_commit += 1
                if not batches or self.since_commit >= COMMIT_EVERY:
                    self.commit()
                self.membership = self.consumer.group_metadata()
            self.commit()
            self.consumer.close()
        except BaseException as error:
            self.failure = error

    def on_partitions_assigned(self, partitions):
        self.group.assigned(self.label, [place.partition for place in partitions])

    def on_partitions_revoked(self, partitions):
        self.group.revoked(self.label, [place.partition for place in partitions])

    def commit(self):
        self.since_commit = 0
        offsets = self.group.to_commit(self.group.owned_by(self.label))
        if not offsets:
            return
        self.group.commits(offsets)
        places = {
            TopicPartition(self.topic, partition): OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()
        }
        try:
            self.consumer.commit(places, timeout_ms=60_000)
        except (KafkaTimeoutError, RebalanceInProgressError):
            return
        self.group.has_committed(offsets)

    def stop(self):
        """Leaves the group. A failure of the member fails the test."""
        self.close()
        check([self])

    def close(self):
        self.stopping.set()
        self.join(60)
        assert not self.is_alive(), f"{self.label} did not end"


def check(members):
    for member in members:
        if member.failure is not None:
            raise member.failure


def wait_for(condition, members, waiting_for):
    """Waits; a failure of a member ends it."""
    deadline = Deadline()
    while not condition():
        check(members)
        deadline.check(waiting_for)
        members[0].join(0.02)


def wait_until_settled(client, group, group_id, members, partitions):
    """Each member has its share, and nothing of the rebalance is left to come."""

    def settled():
        description = client.described_group(group_id)
        owners = [member.label for member in members]
        return description["group_state"] == "Stable" and group.settled(owners, partitions)

    wait_for(settled, members, "equal shares of a stable group")
    for member in members:
        member.membership = None
    wait_for(lambda: all(member.membership for member in members), members, "members that know it")
