"""Consumers share topics in groups: by turns, through kills of the broker, with fixed names, and when one falls silent."""

import os
import select
import signal
import subprocess
import sys

import pytest
from client import numbered, produce, take
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from groups import Group
from members import Member, wait_for, wait_until_settled
from records import Deadline, Ledger

PARTITIONS = 6
STRATEGIES = ["range", "roundrobin", "cooperative-sticky"]
IN_FLIGHT_MAX = 500
KILLS = 3
AROUND_A_KILL = 1_000
SESSION_MS_MIN = 6_000


def sent(client, topic, since, count=60):
    """Sends to each partition; returns the values by partition and offset."""
    producer, values = client.producer(), {}
    for partition in range(PARTITIONS):
        records = numbered(count, since=since)
        offsets = produce(producer, topic, records, partition)
        values[partition] = {offset: record.value for offset, record in zip(offsets, records)}
    return values


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_members_share_a_topic_and_take_over_from_those_who_leave(client, topic, strategy):
    client.create(topic, PARTITIONS)
    group, members, read = Group(), [], 0
    settings = {"partition_assignment_strategy": strategy}

    def all_is_read(since):
        nonlocal read
        values = sent(client, topic, since)
        read += sum(map(len, values.values()))
        wait_for(lambda: group.read_count() == read, members, "every record")
        group.check_read(values)

    for name in "abc":
        members.append(Member(client, group, topic, name, topic, **settings))
        wait_until_settled(client, group, topic, members, PARTITIONS)
        all_is_read(since=len(members) * 1_000)
    while members:
        members.pop(0).stop()
        if members:
            wait_until_settled(client, group, topic, members, PARTITIONS)
            all_is_read(since=10_000 + len(members) * 1_000)

    # Each commits what it has read before it lets go: nothing is read twice, and the end is known.
    assert group.repeated == 0
    committed = {partition: place.offset for partition, place in client.committed(topic).items()}
    assert committed == {partition: 60 * 5 for partition in range(PARTITIONS)}


@pytest.mark.parametrize("strategy", ["range", "cooperative-sticky"])
def test_a_group_goes_on_through_kills_and_is_not_disturbed_by_them(client, topic, rng, start_restart, strategy):
    client.create(topic, PARTITIONS)
    group, ledger, errors = Group(), Ledger(), []
    members = [Member(client, group, topic, name, topic, partition_assignment_strategy=strategy) for name in "abc"]
    wait_until_settled(client, group, topic, members, PARTITIONS)
    owners, rebalances, described = dict(group.owners), group.rebalances, members_of(client, topic)
    producer, count = client.producer(enable_idempotence=True), 0

    def report(error, message):
        if error is None:
            ledger.confirm(message.partition(), message.offset(), message.value())
        else:
            errors.append(error)

    def send_until(condition, waiting_for):
        nonlocal count
        deadline = Deadline()
        while not condition():
            deadline.check(waiting_for)
            if count - ledger.confirmed_count() >= IN_FLIGHT_MAX:
                producer.poll(0.1)
                continue
            value = f"{count} ".encode() + rng.randbytes(rng.randint(0, 100))
            producer.produce(topic, value, partition=rng.randrange(PARTITIONS), on_delivery=report)
            count += 1
            producer.poll(0)

    for _ in range(KILLS):
        confirmed, read = ledger.confirmed_count(), group.read_count()
        more = rng.randint(1, AROUND_A_KILL)
        send_until(
            lambda: ledger.confirmed_count() >= confirmed + more and group.read_count() > read and group.acked, "deliveries"
        )
        commits, restart = group.confirmed_commits(), start_restart()
        send_until(lambda: restart.poll() is not None, "the restart")
        assert restart.returncode == 0
        client.new_admin()
        group.check_committed({partition: place.offset for partition, place in client.committed(topic).items()}, commits)
    confirmed = ledger.confirmed_count()
    send_until(lambda: ledger.confirmed_count() >= confirmed + AROUND_A_KILL, "deliveries")
    assert producer.flush(60) == 0
    assert errors == []

    wait_for(lambda: group.read_count() >= count, members, f"{count} records")
    group.check_read(ledger.confirmed)
    assert ledger.confirmed_count() == count
    # Nobody joined again: the same members have the same partitions, and were told so once.
    assert (members_of(client, topic), group.owners, group.rebalances) == (described, owners, rebalances)
    assert group.repeated == 0
    for member in members:
        member.stop()
    ends = {partition: len(values) for partition, values in ledger.confirmed.items()}
    assert {partition: place.offset for partition, place in client.committed(topic).items()} == ends


def members_of(client, group_id):
    """Id, client id and partitions of each member, as the broker tells it."""
    description = client.described_group(group_id)
    assert description.state.name == "STABLE"
    return sorted(
        (member.member_id, member.client_id, sorted(place.partition for place in member.assignment.topic_partitions))
        for member in description.members
    )


def test_a_static_member_that_comes_back_disturbs_nobody(client, topic):
    client.create(topic, PARTITIONS)
    group = Group()
    named = {name: {"group_instance_id": f"instance-{name}"} for name in "ab"}
    members = {name: Member(client, group, topic, name, topic, **named[name]) for name in "ab"}
    wait_until_settled(client, group, topic, list(members.values()), PARTITIONS)
    owned, rebalances = {name: group.owned_by(name) for name in "ab"}, group.rebalances

    members["a"].stop()
    assert len(client.described_group(topic).members) == 2
    members["a"] = Member(client, group, topic, "a", topic, **named["a"])
    wait_until_settled(client, group, topic, list(members.values()), PARTITIONS)
    assert {name: group.owned_by(name) for name in "ab"} == owned
    # What the one that came back let go and was given again; the other was not asked.
    assert group.rebalances == rebalances + 2
    assert {member.group_instance_id for member in client.described_group(topic).members} == {"instance-a", "instance-b"}
    values = sent(client, topic, since=0)
    wait_for(lambda: group.read_count() == 60 * PARTITIONS, list(members.values()), "every record")
    group.check_read(values)
    for member in members.values():
        member.stop()


def test_the_second_member_of_an_instance_id_fences_the_first(client, topic):
    client.create(topic)
    first = client.member(topic, group_instance_id="the one", topic_metadata_refresh_interval_ms=1_000)
    first.subscribe([topic])
    produce(client.producer(), topic, numbered(10))
    take(first, 10)
    second = client.member(topic, group_instance_id="the one")
    second.subscribe([topic])
    [message] = take(second, 1)
    assert message.offset() == 0
    # The first learns it from its next heartbeat, or from whatever it asks before.
    with pytest.raises(KafkaException) as raised:
        first.commit(offsets=[TopicPartition(topic, 0, 7)], asynchronous=False)
    assert raised.value.args[0].code() in (KafkaError.FENCED_INSTANCE_ID, KafkaError._FATAL)
    deadline = Deadline()
    while (message := first.poll(0.1)) is None or message.error() is None:
        deadline.check("the first to be fenced")
    assert message.error().code() == KafkaError._FATAL
    assert "group.instance.id" in message.error().str()
    second.commit(asynchronous=False)
    assert client.committed(topic)[0].offset == 1


def test_partitions_of_a_member_that_falls_silent_move_and_its_late_commit_is_refused(client, topic):
    client.create(topic, PARTITIONS)
    values, group = sent(client, topic, since=0), Group()
    frozen = subprocess.Popen(
        [sys.executable, os.path.join(os.path.dirname(__file__), "frozen_member.py"), client.bootstrap, topic, topic],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
    )

    def said():
        assert select.select([frozen.stdout], [], [], 60)[0], "the frozen member says nothing"
        return frozen.stdout.readline().decode().split()

    try:
        assert len(said()) == PARTITIONS
        member = Member(client, group, topic, "awake", topic, session_timeout_ms=SESSION_MS_MIN)
        wait_for(lambda: group.shares() == {"awake": PARTITIONS // 2}, [member], "a half each")
        lost = said()
        assert len(lost) == PARTITIONS // 2
        frozen.stdin.write(b"\n")
        assert said() == ["waiting"]
        frozen.send_signal(signal.SIGSTOP)
        wait_until_settled(client, group, topic, [member], PARTITIONS)
        wait_for(lambda: group.read_count() == 60 * PARTITIONS, [member], "every record")
        group.check_read(values)
        wait_for(lambda: group.confirmed_commits() == dict.fromkeys(range(PARTITIONS), 60), [member], "every commit")

        frozen.stdin.write(f"{lost[0]} 7\n".encode())
        frozen.send_signal(signal.SIGCONT)
        assert said() in (["UNKNOWN_MEMBER_ID"], ["ILLEGAL_GENERATION"])
        assert frozen.wait(60) == 0
        assert {place.offset for place in client.committed(topic).values()} == {60}
        member.stop()
    finally:
        frozen.kill()
        frozen.wait()
