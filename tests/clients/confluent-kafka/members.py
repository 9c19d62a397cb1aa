"""Members of a consumer group that tell what they see to the checks of groups.py."""

import json
import threading

from confluent_kafka import KafkaException, TopicPartition
from records import Deadline

COMMIT_EVERY = 200


class Member(threading.Thread):
    """A consumer that reads a topic in a group, polled by a thread of its own.

    It commits as it goes, and what it has read before it lets partitions go.
    """

    def __init__(self, client, group, group_id, name, topic, **settings):
        super().__init__(daemon=True)
        self.group, self.topic, self.label = group, topic, name
        self.stopping = threading.Event()
        self.failure, self.join_state, self.since_commit = None, None, 0
        self.consumer = client.member(
            group_id,
            client_id=name,
            heartbeat_interval_ms=300,
            stats_cb=self.take_stats,
            statistics_interval_ms=100,
            **settings,
        )
        # It is closed by its own thread.
        client.consumers[-1] = self
        self.consumer.subscribe([topic], on_assign=self.assigned, on_revoke=self.revoked)
        self.start()

    def run(self):
        try:
            while not self.stopping.is_set():
                message = self.consumer.poll(0.1)
                if message is None:
                    self.commit()
                elif message.error() is not None:
                    check_passing(message.error())
                else:
                    self.group.has_read(self.label, message.partition(), message.offset(), message.value())
                    self.since_commit += 1
                    if self.since_commit >= COMMIT_EVERY:
                        self.commit()
            self.consumer.close()
        except BaseException as error:
            self.failure = error

    def assigned(self, _, partitions):
        self.group.assigned(self.label, numbers(partitions))

    def revoked(self, _, partitions):
        self.commit()
        self.group.revoked(self.label, numbers(partitions))

    def commit(self):
        self.since_commit = 0
        offsets = self.group.to_commit(self.group.owned_by(self.label))
        if not offsets:
            return
        self.group.commits(offsets)
        places = [TopicPartition(self.topic, partition, offset) for partition, offset in offsets.items()]
        try:
            committed = self.consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as error:
            check_passing(error.args[0])
            return
        assert all(place.error is None for place in committed), committed
        self.group.has_committed(offsets)

    def take_stats(self, stats):
        self.join_state = json.loads(stats)["cgrp"]["join_state"]

    def stop(self):
        """Leaves the group. A failure of the member fails the test."""
        self.close()
        check([self])

    def close(self):
        self.stopping.set()
        self.join(60)
        assert not self.is_alive(), f"{self.label} did not end"


def check_passing(error):
    """The broker may be away for a moment, and not more."""
    assert error.retriable() or (error.code() < 0 and not error.fatal()), error


def numbers(partitions):
    return [place.partition for place in partitions]


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
    wait_for(lambda: group.settled([member.label for member in members], partitions), members, "equal shares")
    wait_for(lambda: client.described_group(group_id).state.name == "STABLE", members, "a stable group")
    for member in members:
        member.join_state = None
    wait_for(lambda: all(member.join_state == "steady" for member in members), members, "members that know it")
