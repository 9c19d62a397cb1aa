"""Consumers share topics in groups: by turns, through kills of the broker, with fixed names, and when one falls silent."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from client import numbered, produce, take
from groups import Group
from kafka import TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from kafka.errors import FencedInstanceIdError
from kafka.structs import OffsetAndMetadata
from members import Member, wait_for, wait_until_settled
from records import Ledger

PARTITIONS = 6
EACH = 60
STRATEGIES = [RangePartitionAssignor, RoundRobinPartitionAssignor, StickyPartitionAssignor, CooperativeStickyAssignor]
IN_FLIGHT_MAX = 500
KILLS = 3
AROUND_A_KILL = 500
SESSION_MS_MIN = 6_000


def sent(client, topic, since):
    """Sends to each partition; returns the values by partition and offset."""
    producer, values = client.producer(), {}
    for partition in range(PARTITIONS):
        records = numbered(EACH, since)
        offsets = produce(producer, topic, records, partition)
        values[partition] = {offset: record.value for offset, record in zip(offsets, records)}
    return values


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.name)
def test_members_share_a_topic_and_take_over_from_those_who_leave(client, topic, strategy):
    client.create(topic, PARTITIONS)
    group, members, read = Group(keeps_position=True), [], 0

    def all_is_read():
        nonlocal read
        values = sent(client, topic, since=read)
        read += PARTITIONS * EACH
        wait_for(lambda: group.read_count() == read, members, "every record")
        group.check_read(values)

    for name in "ab":
        members.append(
            Member(
                client, group, topic, name, topic, partition_assignment_strategy=[strategy], heartbeat_interval_ms=300
            )
        )
        wait_until_settled(client, group, topic, members, PARTITIONS)
        all_is_read()
    members.pop(0).stop()
    wait_until_settled(client, group, topic, members, PARTITIONS)
    all_is_read()
    members.pop(0).stop()

    # Each commits what it has read before it leaves.
    assert client.committed(topic) == dict.fromkeys(range(PARTITIONS), read // PARTITIONS)


@pytest.mark.parametrize("strategy", [RangePartitionAssignor, CooperativeStickyAssignor], ids=lambda strategy: strategy.name)
def test_a_group_goes_on_through_kills_and_is_not_disturbed_by_them(client, topic, rng, start_restart, strategy):
    client.create(topic, PARTITIONS)
    group, ledger, errors, delivered = Group(keeps_position=True), Ledger(), [], threading.Condition()
    members = [
        Member(
            client, group, topic, name, topic, partition_assignment_strategy=[strategy], heartbeat_interval_ms=300
        )
        for name in "ab"
    ]
    wait_until_settled(client, group, topic, members, PARTITIONS)
    owners, rebalances, described = dict(group.owners), group.rebalances, members_of(client, topic)
    memberships = [(member.membership.member_id, member.membership.generation_id) for member in members]
    producer, count = client.producer(), 0

    def confirm(value, place):
        with delivered:
            ledger.confirm(place.partition, place.offset, value)
            delivered.notify()

    def send():
        nonlocal count
        with delivered:
            if not delivered.wait_for(lambda: count - ledger.confirmed_count() < IN_FLIGHT_MAX, timeout=0.1):
                return
        value = f"{count} ".encode() + rng.randbytes(rng.randint(0, 100))
        future = producer.send(topic, value, partition=rng.randrange(PARTITIONS))
        future.add_callback(confirm, value)
        future.add_errback(errors.append)
        count += 1

    def send_until(condition, waiting_for):
        wait_for(lambda: send() or condition(), [Busy(members)], waiting_for)

    for _ in range(KILLS):
        confirmed, read = ledger.confirmed_count(), group.read_count()
        more = rng.randint(1, AROUND_A_KILL)
        send_until(
            lambda: ledger.confirmed_count() >= confirmed + more and group.read_count() > read and group.acked, "deliveries"
        )
        commits, restart = group.confirmed_commits(), start_restart()
        send_until(lambda: restart.poll() is not None, "the restart")
        assert restart.returncode == 0
        client.admin = client.new_admin()
        group.check_committed(client.committed(topic), commits)
    confirmed = ledger.confirmed_count()
    send_until(lambda: ledger.confirmed_count() >= confirmed + AROUND_A_KILL, "deliveries")
    producer.flush(60)
    assert errors == []

    wait_for(lambda: group.read_count() >= count, members, f"{count} records")
    group.check_read(ledger.confirmed)
    assert ledger.confirmed_count() == count
    # Nobody joined again: the same members have the same partitions, and were told so once.
    assert (members_of(client, topic), group.owners, group.rebalances) == (described, owners, rebalances)
    assert [(member.membership.member_id, member.membership.generation_id) for member in members] == memberships
    assert group.repeated == 0
    for member in members:
        member.stop()
    assert client.committed(topic) == {partition: len(values) for partition, values in ledger.confirmed.items()}


class Busy:
    """For `wait_for`, while there is something to do between two looks at a condition."""

    def __init__(self, members):
        self.members = members

    @property
    def failure(self):
        return next((member.failure for member in self.members if member.failure is not None), None)

    def join(self, _):
        pass


def members_of(client, group_id):
    """Id, client id and partitions of each member, as the broker tells it."""
    description = client.described_group(group_id)
    assert description["group_state"] == "Stable"
    return sorted(
        (
            member["member_id"],
            member["client_id"],
            [(topic["topic"], sorted(topic["partitions"])) for topic in member["member_assignment"]["assigned_partitions"]],
        )
        for member in description["members"]
    )


def test_a_static_member_that_comes_back_disturbs_nobody(client, topic):
    client.create(topic, PARTITIONS)
    group = Group(keeps_position=True)

    def join(name):
        return Member(client, group, topic, name, topic, group_instance_id=f"instance-{name}", heartbeat_interval_ms=300)

    members = {name: join(name) for name in "ab"}
    wait_until_settled(client, group, topic, list(members.values()), PARTITIONS)
    owned, generation = {name: group.owned_by(name) for name in "ab"}, members["b"].membership.generation_id

    members["a"].stop()
    assert len(client.described_group(topic)["members"]) == 2
    members["a"] = join("a")
    wait_until_settled(client, group, topic, list(members.values()), PARTITIONS)
    assert {name: group.owned_by(name) for name in "ab"} == owned
    assert [member.membership.generation_id for member in members.values()] == [generation] * 2
    values = sent(client, topic, since=0)
    wait_for(lambda: group.read_count() == EACH * PARTITIONS, list(members.values()), "every record")
    group.check_read(values)
    for member in members.values():
        member.stop()


def test_the_second_member_of_an_instance_id_fences_the_first(client, topic):
    client.create(topic)
    first = client.member(topic, topic, group_instance_id="the one")
    produce(client.producer(), topic, numbered(10))
    take(first, 10)
    second = client.member(topic, topic, group_instance_id="the one")
    assert take(second, 1)[0].offset == 0
    place = TopicPartition(topic, 0)
    with pytest.raises(FencedInstanceIdError):
        first.commit({place: OffsetAndMetadata(7, "", -1)}, timeout_ms=60_000)
    second.commit({place: OffsetAndMetadata(1, "", -1)}, timeout_ms=60_000)
    assert client.committed(topic) == {0: 1}


def test_partitions_of_a_member_that_falls_silent_move_and_its_late_commit_is_refused(client, topic):
    client.create(topic, PARTITIONS)
    values, group = sent(client, topic, since=0), Group(keeps_position=True)
    frozen = subprocess.Popen(
        [sys.executable, os.path.join(os.path.dirname(__file__), "frozen_member.py"), client.bootstrap, topic, topic],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    try:
        assert len(frozen.stdout.readline().split()) == PARTITIONS
        member = Member(
            client, group, topic, "awake", topic, session_timeout_ms=SESSION_MS_MIN, heartbeat_interval_ms=300
        )
        wait_for(lambda: group.shares() == {"awake": PARTITIONS // 2}, [member], "a half each")
        lost = frozen.stdout.readline().split()
        assert len(lost) == PARTITIONS // 2
        print(file=frozen.stdin, flush=True)
        assert frozen.stdout.readline() == "waiting\n"
        frozen.send_signal(signal.SIGSTOP)
        wait_until_settled(client, group, topic, [member], PARTITIONS)
        wait_for(lambda: group.read_count() == EACH * PARTITIONS, [member], "every record")
        group.check_read(values)
        wait_for(lambda: group.confirmed_commits() == dict.fromkeys(range(PARTITIONS), EACH), [member], "every commit")

        print(lost[0], 7, file=frozen.stdin, flush=True)
        frozen.send_signal(signal.SIGCONT)
        assert frozen.stdout.readline() == "CommitFailedError\n"
        assert frozen.wait(60) == 0
        assert client.committed(topic) == dict.fromkeys(range(PARTITIONS), EACH)
        member.stop()
    finally:
        frozen.kill()
        frozen.wait()
