'use strict'

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { createTopic, newAdmin, newProducer, newReader, newTopic, readAll, rejectsWith, unusedName } = require('./suite')

// An unknown topic is retriable to KafkaJS: without this each such answer takes about ten seconds.
const once = { retry: { retries: 0 } }

test('a topic is created, listed, described and deleted', async t => {
  const admin = await newAdmin(t, once)
  const topic = unusedName('life')
  assert.equal(await createTopic(admin, topic, 3), true)
  assert.ok((await admin.listTopics()).includes(topic))
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  const { controller, brokers, clusterId } = await admin.describeCluster()
  assert.equal(brokers.length, 1)
  assert.equal(controller, brokers[0].nodeId)
  assert.ok(clusterId.length > 0)
  assert.deepEqual(
    topics[0].partitions.map(({ partitionId, leader, replicas, isr }) => ({ partitionId, leader, replicas, isr }))
      .sort((a, b) => a.partitionId - b.partitionId),
    [0, 1, 2].map(partitionId => ({ partitionId, leader: controller, replicas: [controller], isr: [controller] }))
  )
  await admin.deleteTopics({ topics: [topic] })
  await rejectsWith('UNKNOWN_TOPIC_OR_PARTITION', admin.fetchTopicMetadata({ topics: [topic] }))
  await rejectsWith('UNKNOWN_TOPIC_OR_PARTITION', admin.deleteTopics({ topics: [topic] }))
  assert.ok(!(await admin.listTopics()).includes(topic))
})

test('an existing topic is not created again', async t => {
  const admin = await newAdmin(t)
  const topic = await newTopic(t, 'existing', 2)
  assert.equal(await admin.createTopics({ topics: [{ topic, numPartitions: 5 }] }), false)
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  assert.equal(topics[0].partitions.length, 2)
})

test('an invalid name is refused', async t => {
  const admin = await newAdmin(t)
  for (const topic of ['.', '..', 'a b', 'a/b', 'ä', 'x'.repeat(250)])
    await rejectsWith('INVALID_TOPIC_EXCEPTION', admin.createTopics({ topics: [{ topic }] }))
})

test('more replicas than brokers are refused', async t => {
  const admin = await newAdmin(t)
  const topics = [{ topic: unusedName('replicas'), numPartitions: 1, replicationFactor: 1000 }]
  await rejectsWith('INVALID_REPLICATION_FACTOR', admin.createTopics({ topics }))
})

test('a validated topic is not created', async t => {
  const admin = await newAdmin(t)
  const topic = unusedName('validated')
  await admin.createTopics({ topics: [{ topic }], validateOnly: true, waitForLeaders: false })
  assert.ok(!(await admin.listTopics()).includes(topic))
})

test('an unknown topic is an error to the admin client and to a producer told not to create it', async t => {
  const admin = await newAdmin(t, once)
  const topic = unusedName('unknown')
  await rejectsWith('UNKNOWN_TOPIC_OR_PARTITION', admin.fetchTopicOffsets(topic))
  const producer = await newProducer(t, { allowAutoTopicCreation: false, ...once })
  await rejectsWith('UNKNOWN_TOPIC_OR_PARTITION', producer.send({ topic, messages: [{ value: 'v' }] }))
  assert.ok(!(await admin.listTopics()).includes(topic))
})

test('a producer creates a topic by sending to it', async t => {
  const topic = unusedName('automatic')
  await (await newProducer(t)).send({ topic, messages: [{ value: 'first' }] })
  assert.deepEqual([...(await readAll(t, topic)).values()].flat().map(record => record.value.toString()), ['first'])
})

test('a topic created again under its name is empty, and clients go over to it', async t => {
  const admin = await newAdmin(t)
  const topic = await newTopic(t, 'again')
  const producer = await newProducer(t)
  await producer.send({ topic, messages: Array.from({ length: 100 }, (_, at) => ({ value: `old ${at}` })) })
  const reader = await newReader(t, topic, [[0, 0n]])
  await reader.take(100)
  await admin.deleteTopics({ topics: [topic] })
  assert.equal(await createTopic(admin, topic, 1), true)
  assert.deepEqual((await admin.fetchTopicOffsets(topic)).map(end => ({ ...end })), [
    { partition: 0, offset: '0', low: '0', high: '0' },
  ])
  await assert.rejects(reader.fetch(), { type: 'OFFSET_OUT_OF_RANGE' }, 'the position in the old topic is void')
  const [sent] = await producer.send({ topic, messages: [{ value: 'new' }] })
  assert.equal(sent.baseOffset, '0')
  reader.offsets.set(0, 0n)
  assert.deepEqual((await reader.take(1)).map(record => record.value.toString()), ['new'])
})
