"""Topics are created, described, listed, deleted, and errors are those of Kafka."""

import pytest
from aiokafka.admin import NewTopic
from client import error_codes, produce, read_all
from records import Deadline, Record

NO_ERROR, UNKNOWN_TOPIC, INVALID_TOPIC, TOPIC_EXISTS, INVALID_PARTITIONS, INVALID_REPLICATION_FACTOR = 0, 3, 17, 36, 37, 38


async def created(client, *new_topics, **options):
    return error_codes((await client.admin.create_topics(list(new_topics), **options)).topic_errors)


async def deleted(client, *topics):
    return error_codes((await client.admin.delete_topics(list(topics))).topic_error_codes)


async def described(client, topic):
    [description] = await client.admin.describe_topics([topic])
    return description


async def test_a_created_topic_is_listed_with_its_partitions(client, topic):
    await client.create(topic, 7)
    assert topic in await client.admin.list_topics()
    [broker] = (await client.admin.describe_cluster())["brokers"]
    assert f"{broker['host']}:{broker['port']}" == client.bootstrap
    description = await described(client, topic)
    assert (description["error_code"], description["topic"], description["is_internal"]) == (NO_ERROR, topic, False)
    partitions = sorted(description["partitions"], key=lambda partition: partition["partition"])
    assert [partition["partition"] for partition in partitions] == list(range(7))
    for partition in partitions:
        assert (partition["error_code"], partition["leader"]) == (NO_ERROR, broker["node_id"])
        assert partition["replicas"] == partition["isr"] == [broker["node_id"]]


async def test_an_unknown_topic_is_not_listed(client, topic):
    # The admin client lets the broker create a topic that it asks for; a list of all topics does not.
    assert topic not in await client.admin.list_topics()


async def test_the_cluster_is_described(client):
    description = await client.admin.describe_cluster()
    assert description["controller_id"] in [broker["node_id"] for broker in description["brokers"]]


async def test_several_topics_are_created_at_once(client, topic):
    names = [f"{topic}-{n}" for n in range(5)]
    assert await created(client, *[NewTopic(name, n + 1, 1) for n, name in enumerate(names)]) == [NO_ERROR] * 5
    for n, name in enumerate(names):
        assert len((await described(client, name))["partitions"]) == n + 1


async def test_a_topic_that_exists_is_not_created_again(client, topic):
    await client.create(topic, 2)
    assert await created(client, NewTopic(topic, 3, 1)) == [TOPIC_EXISTS]
    assert len((await described(client, topic))["partitions"]) == 2


@pytest.mark.parametrize("name", ["with space", "slash/slash", "..", "", "x" * 250])
async def test_an_invalid_name_is_refused(client, name):
    assert await created(client, NewTopic(name, 1, 1)) == [INVALID_TOPIC]


async def test_more_replicas_than_brokers_are_refused(client, topic):
    assert await created(client, NewTopic(topic, 1, 3)) == [INVALID_REPLICATION_FACTOR]


async def test_no_partitions_are_refused(client, topic):
    assert await created(client, NewTopic(topic, 0, 1)) == [INVALID_PARTITIONS]


async def test_a_validated_creation_creates_nothing(client, topic):
    assert await created(client, NewTopic(topic, 1, 1), validate_only=True) == [NO_ERROR]
    assert topic not in await client.admin.list_topics()


async def test_a_deleted_topic_is_gone(client, topic):
    await client.create(topic)
    assert await deleted(client, topic) == [NO_ERROR]
    deadline = Deadline()
    while topic in await client.admin.list_topics():
        deadline.check("the topic to go")


async def test_an_unknown_topic_is_not_deleted(client, topic):
    assert await deleted(client, topic) == [UNKNOWN_TOPIC]


async def test_a_topic_created_again_has_none_of_its_old_records(client, topic):
    await client.create(topic)
    await produce(await client.producer(), topic, [Record(None, b"old")] * 10)
    assert await deleted(client, topic) == [NO_ERROR]
    await client.create(topic)
    assert await produce(await client.producer(), topic, [Record(None, b"new")]) == [0]
    assert [message.value for message in (await read_all(client, topic))[0]] == [b"new"]
