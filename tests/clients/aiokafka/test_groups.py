"""Consumers share topics in groups: by turns, through kills of the broker, with fixed names, and when one falls silent."""

import asyncio
import os
import signal
import sys

import pytest
from aiokafka import TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import CommitFailedError
from aiokafka.structs import OffsetAndMetadata
from client import numbered, produce, take
from groups import Group
from members import Member, wait_for, wait_until_settled
from records import Deadline, Ledger

PARTITIONS = 6
EACH = 60
STRATEGIES = [RangePartitionAssignor, RoundRobinPartitionAssignor, StickyPartitionAssignor]
KILLS = 3
AROUND_A_KILL = 500
SESSION_MS_MIN = 6_000


async def sent(client, topic, since):
    """Sends to each partition; returns the values by partition and offset."""
    producer, values = await client.producer(), {}
    for partition in range(PARTITIONS):
        records = numbered(EACH, since)
        offsets = await produce(producer, topic, records, partition)
        values[partition] = {offset: record.value for offset, record in zip(offsets, records)}
    return values


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: strategy.name)
async def test_members_share_a_topic_and_take_over_from_those_who_leave(client, topic, strategy):
    await client.create(topic, PARTITIONS)
    group, members, read = Group(), [], 0

    async def all_is_read():
        nonlocal read
        values = await sent(client, topic, since=read)
        read += PARTITIONS * EACH
        await wait_for(lambda: group.read_count() == read, members, "every record")
        group.check_read(values)

    for name in "ab":
        members.append(Member(client, group, topic, name, topic, partition_assignment_strategy=[strategy]))
        await wait_until_settled(client, group, topic, members, PARTITIONS)
        await all_is_read()
    await members.pop(0).stop()
    await wait_until_settled(client, group, topic, members, PARTITIONS)
    await all_is_read()
    await members.pop(0).stop()

    # Each commits what it has read before it lets go: nothing is read twice, and the end is known.
    assert group.repeated == 0
    assert await client.committed(topic) == dict.fromkeys(range(PARTITIONS), read // PARTITIONS)


async def test_a_group_goes_on_through_kills_and_is_not_disturbed_by_them(client, topic, rng, start_restart):
    await client.create(topic, PARTITIONS)
    group, ledger, count = Group(), Ledger(), 0
    members = [Member(client, group, topic, name, topic) for name in "ab"]
    await wait_until_settled(client, group, topic, members, PARTITIONS)
    owners, rebalances, described = dict(group.owners), group.rebalances, await client.described_group(topic)
    producer = await client.producer(enable_idempotence=True)

    async def send_until(condition, waiting_for):
        nonlocal count
        deadline = Deadline()
        while not condition():
            deadline.check(waiting_for)
            partition, values = rng.randrange(PARTITIONS), []
            for _ in range(rng.randint(1, 100)):
                values.append(f"{count} ".encode() + rng.randbytes(rng.randint(0, 100)))
                count += 1
            placed = await asyncio.gather(*[await producer.send(topic, value, partition=partition) for value in values])
            for value, place in zip(values, placed):
                ledger.confirm(partition, place.offset, value)

    for _ in range(KILLS):
        confirmed, read = ledger.confirmed_count(), group.read_count()
        more = rng.randint(1, AROUND_A_KILL)
        await send_until(
            lambda: ledger.confirmed_count() >= confirmed + more and group.read_count() > read and group.acked, "deliveries"
        )
        commits, restart = group.confirmed_commits(), start_restart()
        await send_until(lambda: restart.poll() is not None, "the restart")
        assert restart.returncode == 0
        await client.start()
        group.check_committed(await client.committed(topic), commits)
    confirmed = ledger.confirmed_count()
    await send_until(lambda: ledger.confirmed_count() >= confirmed + AROUND_A_KILL, "deliveries")

    await wait_for(lambda: group.read_count() >= count, members, f"{count} records")
    group.check_read(ledger.confirmed)
    # Nobody joined again: the same members have the same partitions, and were told so once.
    assert await client.described_group(topic) == described
    assert (group.owners, group.rebalances, group.repeated) == (owners, rebalances, 0)
    for member in members:
        await member.stop()
    assert await client.committed(topic) == {partition: len(values) for partition, values in ledger.confirmed.items()}


async def test_a_static_member_that_comes_back_disturbs_nobody(client, topic):
    await client.create(topic, PARTITIONS)
    group = Group()

    def join(name):
        return Member(client, group, topic, name, topic, group_instance_id=f"instance-{name}")

    members = {name: join(name) for name in "ab"}
    await wait_until_settled(client, group, topic, list(members.values()), PARTITIONS)
    owned, assignments = {name: group.owned_by(name) for name in "ab"}, members["b"].assignments
    await members["a"].stop()
    assert len((await client.described_group(topic))["members"]) == 2
    members["a"] = join("a")
    await wait_until_settled(client, group, topic, list(members.values()), PARTITIONS)
    assert {name: group.owned_by(name) for name in "ab"} == owned
    values = await sent(client, topic, since=0)
    await wait_for(lambda: group.read_count() == EACH * PARTITIONS, list(members.values()), "every record")
    group.check_read(values)
    assert members["b"].assignments == assignments
    for member in members.values():
        await member.stop()


async def test_the_second_member_of_an_instance_id_fences_the_first(client, topic):
    await client.create(topic)
    # Its next heartbeat would tell it that it is fenced, and it would join again and fence the second.
    silent = {"heartbeat_interval_ms": 25_000, "session_timeout_ms": 30_000}
    first = await client.member(topic, topic, group_instance_id="the one", **silent)
    await produce(await client.producer(), topic, numbered(10))
    await take(first, 10)
    second = await client.member(topic, topic, group_instance_id="the one")
    assert (await take(second, 1))[0].offset == 0
    place = TopicPartition(topic, 0)
    # Before the first learns what happened to it: then it joins anew by itself, and fences the second in turn.
    await second.commit({place: 1})
    # The client commits without its instance id: its member id is unknown now.
    with pytest.raises(CommitFailedError):
        await first.commit({place: 7})
    assert await client.committed(topic) == {0: 1}


async def test_partitions_of_a_member_that_falls_silent_move_and_its_late_commit_is_refused(client, topic):
    await client.create(topic, PARTITIONS)
    values, group = await sent(client, topic, since=0), Group()
    frozen = await asyncio.create_subprocess_exec(
        sys.executable, os.path.join(os.path.dirname(__file__), "frozen_member.py"), client.bootstrap, topic, topic,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert len((await frozen.stdout.readline()).split()) == PARTITIONS
        member = Member(client, group, topic, "awake", topic, session_timeout_ms=SESSION_MS_MIN)
        await wait_for(lambda: group.shares() == {"awake": PARTITIONS // 2}, [member], "a half each")
        lost = (await frozen.stdout.readline()).split()
        assert len(lost) == PARTITIONS // 2
        frozen.send_signal(signal.SIGSTOP)
        await wait_until_settled(client, group, topic, [member], PARTITIONS)
        await wait_for(lambda: group.read_count() == EACH * PARTITIONS, [member], "every record")
        group.check_read(values)
        committed = dict.fromkeys(range(PARTITIONS), EACH)
        await wait_for(lambda: group.confirmed_commits() == committed, [member], "every commit")

        frozen.stdin.write(lost[0] + b" 7\n")
        frozen.send_signal(signal.SIGCONT)
        assert await frozen.stdout.readline() in (b"CommitFailedError\n", b"IllegalStateError\n")
        assert await frozen.wait() == 0
        assert await client.committed(topic) == committed
        await member.stop()
    finally:
        if frozen.returncode is None:
            frozen.kill()
            await frozen.wait()


async def test_metadata_of_a_commit_comes_back_as_it_was_also_after_a_kill(client, topic, start_restart):
    await client.create(topic, 2)
    consumer = await client.member(topic, topic)
    told = {
        TopicPartition(topic, 0): OffsetAndMetadata(5, "wer, wann: schlüssel-鍵-🔑"),
        TopicPartition(topic, 1): OffsetAndMetadata(0, ""),
    }
    await consumer.commit(told)
    assert await client.admin.list_consumer_group_offsets(topic) == told
    assert await asyncio.to_thread(start_restart().wait) == 0
    await client.start()
    assert await client.admin.list_consumer_group_offsets(topic) == told


async def test_a_group_that_never_was_has_committed_nothing(client, topic):
    await client.create(topic)
    place = TopicPartition(topic, 0)
    assert (await client.admin.list_consumer_group_offsets(topic, partitions=[place]))[place].offset == -1
    assert await client.committed(topic) == {}
    assert await (await client.consumer(topic, group_id=topic)).committed(place) is None


async def test_a_group_is_listed_and_described_with_its_members(client, topic):
    await client.create(topic, 3)
    await client.member(topic, topic, client_id="a client")
    description = await client.described_group(topic)
    assert (description["state"], description["protocol"]) == ("Stable", "roundrobin")
    [member] = description["members"]
    assert (member["client_id"], member["client_host"].lstrip("/")) == ("a client", "127.0.0.1")
    assert topic in [group[0] for group in await client.admin.list_consumer_groups()]
