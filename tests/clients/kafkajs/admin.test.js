'use strict'

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { ConfigResourceTypes: { BROKER, TOPIC } } = require('kafkajs')
const { newAdmin, newProducer, newTopic, readAll, rejectsWith, restartBroker, unusedName } = require('./suite')

const once = { retry: { retries: 0 } }

const partitionsOf = async (admin, topic) => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length

async function configsOf(admin, type, name) {
  const { resources: [{ errorCode, configEntries }] } = await admin.describeConfigs({ resources: [{ type, name }], includeSynonyms: true })
  assert.equal(errorCode, 0)
  return new Map(configEntries.map(entry => [entry.configName, entry]))
}

test('a topic gets more partitions and keeps its records', async t => {
  const topic = await newTopic(t, 'grown', 2)
  const admin = await newAdmin(t, once)
  const producer = await newProducer(t)
  await producer.send({ topic, messages: [{ partition: 1, value: 'old' }] })
  const grow = (count, more) => admin.createPartitions({ topicPartitions: [{ topic, count, ...more }] })
  await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }], validateOnly: true })
  assert.equal(await partitionsOf(admin, topic), 2)
  await grow(5)
  assert.equal(await partitionsOf(admin, topic), 5)
  for (const count of [5, 4, 0]) await rejectsWith('INVALID_PARTITIONS', grow(count))
  await rejectsWith('INVALID_REPLICA_ASSIGNMENT', grow(6, { assignments: [[1000]] }))
  await rejectsWith('UNKNOWN_TOPIC_OR_PARTITION', admin.createPartitions({ topicPartitions: [{ topic: unusedName('no-topic'), count: 2 }] }))
  await restartBroker()
  const again = await newAdmin(t)
  assert.equal(await partitionsOf(again, topic), 5)
  await (await newProducer(t)).send({ topic, messages: [{ partition: 4, value: 'new' }] })
  const read = await readAll(t, topic)
  assert.deepEqual([...read].sort(([a], [b]) => a - b).map(([, records]) => records.map(({ value }) => value.toString())), [[], ['old'], [], [], ['new']])
})

test('the configs of a topic and of the broker are described', async t => {
  const topic = await newTopic(t, 'configs')
  const admin = await newAdmin(t)
  const configs = await configsOf(admin, TOPIC, topic)
  for (const [name, value] of [['max.message.bytes', '1048588'], ['cleanup.policy', 'delete'], ['message.timestamp.type', 'CreateTime']]) {
    const { configValue, configSource, isDefault, readOnly, isSensitive } = configs.get(name)
    assert.deepEqual([configValue, configSource, isDefault, readOnly, isSensitive], [value, 5, true, false, false], name)
  }
  assert.deepEqual(
    configs.get('max.message.bytes').configSynonyms.map(synonym => ({ ...synonym })),
    [{ configName: 'message.max.bytes', configValue: '1048588', configSource: 5 }]
  )
  const { resources: [{ configEntries }] } = await admin.describeConfigs({ resources: [{ type: TOPIC, name: topic, configNames: ['retention.ms'] }] })
  assert.deepEqual(configEntries.map(({ configName }) => configName), ['retention.ms'])

  const { controller } = await admin.describeCluster()
  assert.equal((await configsOf(admin, BROKER, `${controller}`)).get('message.max.bytes').configValue, '1048588')
  await rejectsWith('UNKNOWN_TOPIC_OR_PARTITION', admin.describeConfigs({ resources: [{ type: TOPIC, name: unusedName('no-topic') }] }))
})

// KafkaJS knows only the older request, which sets all configs of a topic and so deletes those that it does not name.
test('configs are set, acted on, and deleted; a wrong one is refused', async t => {
  const topic = await newTopic(t, 'altered')
  const admin = await newAdmin(t, once)
  const producer = await newProducer(t, once)
  const alter = (configs, more) =>
    admin.alterConfigs({
      resources: [{ type: TOPIC, name: topic, configEntries: Object.entries(configs).map(([name, value]) => ({ name, value })) }],
      ...more,
    })
  const current = async name => (await configsOf(admin, TOPIC, topic)).get(name)
  const large = () => producer.send({ topic, messages: [{ value: 'x'.repeat(3000) }] })

  await alter({ 'max.message.bytes': '2000' }, { validateOnly: true })
  await large()
  await alter({ 'max.message.bytes': '2000', 'message.timestamp.type': 'LogAppendTime' })
  await rejectsWith('MESSAGE_TOO_LARGE', large())
  const { configValue, configSource, configSynonyms } = await current('max.message.bytes')
  assert.deepEqual([configValue, configSource, configSynonyms.map(({ configName }) => configName)], ['2000', 1, ['max.message.bytes', 'message.max.bytes']])

  for (const [name, value] of [['no.such.config', '1'], ['max.message.bytes', 'many'], ['cleanup.policy', 'burn']])
    await rejectsWith('INVALID_CONFIG', alter({ 'message.timestamp.type': 'CreateTime', [name]: value }))
  assert.equal((await current('message.timestamp.type')).configValue, 'LogAppendTime', 'nothing of a refused request is done')

  await alter({ 'message.timestamp.type': 'LogAppendTime' })
  assert.equal((await current('max.message.bytes')).configSource, 5)
  await large()
})

test('records are deleted from the beginning, for good', async t => {
  const topic = await newTopic(t, 'delete-records', 2)
  const admin = await newAdmin(t)
  const producer = await newProducer(t)
  const messages = Array.from({ length: 100 }, (_, at) => ({ partition: 0, value: `${at}` }))
  for (let at = 0; at < 100; at += 10) await producer.send({ topic, messages: messages.slice(at, at + 10) })
  await producer.send({ topic, messages: [{ partition: 1, value: 'only' }] })
  await admin.fetchTopicMetadata({ topics: [topic] })
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '57' }, { partition: 1, offset: '-1' }] })
  const lows = async admin =>
    (await admin.fetchTopicOffsets(topic)).sort((a, b) => a.partition - b.partition).map(({ low, high }) => [low, high])
  assert.deepEqual(await lows(admin), [['57', '100'], ['1', '1']])
  await restartBroker()
  assert.deepEqual(await lows(await newAdmin(t)), [['57', '100'], ['1', '1']])
  const again = await newAdmin(t, once)
  await again.fetchTopicOffsets(topic)
  await rejectsWith('OFFSET_OUT_OF_RANGE', again.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '101' }] }))
})

test('partitions are reassigned to the one broker that there is', async t => {
  const topic = await newTopic(t, 'reassigned', 2)
  const admin = await newAdmin(t, once)
  const { controller } = await admin.describeCluster()
  const reassign = (partition, replicas, name = topic) =>
    admin.alterPartitionReassignments({ topics: [{ topic: name, partitionAssignment: [{ partition, replicas }] }] })
  await reassign(0, [controller])
  assert.deepEqual((await admin.listPartitionReassignments({})).topics, [])
  await rejectsWith('INVALID_REPLICA_ASSIGNMENT', reassign(0, [1000]))
  await rejectsWith('UNKNOWN_TOPIC_OR_PARTITION', reassign(7, [controller]))
})
