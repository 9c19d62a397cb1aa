// Drives a running broker with the unmodified KafkaJS client at its default settings. A test changes a setting only where
// the setting is what it tests.
//
// KafkaJS consumers always belong to a group. What is not about groups is read with what lies under them: the client's own
// Cluster and the low-level `fetch` of its Broker. `group.js` consumes through groups.
'use strict'

const assert = require('node:assert/strict')
const { execFile } = require('node:child_process')
const { promisify } = require('node:util')
const { Kafka, logLevel } = require('kafkajs')
const Cluster = require('kafkajs/src/cluster')
const { createLogger } = require('kafkajs/src/loggers')
const createSocketFactory = require('kafkajs/src/network/socketFactory')

const brokers = [process.env.EVENKEEL_BOOTSTRAP]
const started = Date.now()

// Every wait is bounded by this; nothing sleeps for a fixed time.
const patienceMs = 60_000

// A small generator (mulberry32), so that a seed repeats the run.
let state = Number(process.env.EVENKEEL_SEED ?? started) >>> 0
function random(below) {
  state = (state + 0x6d2b79f5) >>> 0
  let mixed = Math.imul(state ^ (state >>> 15), state | 1)
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
  return ((mixed ^ (mixed >>> 14)) >>> 0) % below
}

// These bytes do not compress.
function randomBytes(size) {
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; at++) bytes[at] = random(256)
  return bytes
}

// A new name in each run, so that a suite can run again on a broker that keeps its topics.
const unusedName = about => `kafkajs-${about}-${started.toString(36)}`

const kafka = () => new Kafka({ clientId: 'kafkajs-suite', brokers, logLevel: logLevel.NOTHING })

async function connected(t, client) {
  await client.connect()
  t.after(() => client.disconnect())
  return client
}

const newAdmin = (t, settings) => connected(t, kafka().admin(settings))
const newProducer = (t, settings) => connected(t, kafka().producer(settings))

async function newTopic(t, about, numPartitions = 1) {
  const topic = unusedName(about)
  await createTopic(await newAdmin(t), topic, numPartitions)
  return topic
}

// Kafka itself needs a moment until every partition of a new topic has its leader; until then a send to some of them is
// repeated as a whole, and without idempotence that leaves duplicates.
async function createTopic(admin, topic, numPartitions) {
  const created = await admin.createTopics({ topics: [{ topic, numPartitions }], waitForLeaders: false })
  const deadline = Date.now() + patienceMs
  for (;;) {
    try {
      await admin.fetchTopicOffsets(topic)
      return created
    } catch (error) {
      if (Date.now() > deadline) throw error
    }
  }
}

// KafkaJS gives up after some retries; a program that wants to go on then begins again.
const mayPass = error => error != null && (error.retriable || mayPass(error.cause))

// Each level of KafkaJS wraps the error of the one below.
function rootOf(error) {
  for (;;) {
    const inner = error.errors?.[0] ?? error.partitions?.[0].error ?? error.cause
    if (inner == null) return error
    error = inner
  }
}

const rejectsWith = (type, promise) =>
  assert.rejects(promise, error => {
    assert.equal(rootOf(error).type, type, `${rootOf(error).stack}`)
    return true
  })

// What every KafkaJS client has within.
const newCluster = () =>
  new Cluster({
    logger: createLogger({ level: logLevel.NOTHING, logCreator: () => () => {} }),
    socketFactory: createSocketFactory(),
    brokers,
    clientId: 'kafkajs-suite',
    connectionTimeout: 1000,
    metadataMaxAge: 300_000,
    enforceRequestTimeout: true,
    allowAutoTopicCreation: false,
    isolationLevel: 1,
  })

// Reads partitions of one topic from given offsets and goes on over lost connections, as a KafkaJS consumer does.
class Reader {
  constructor(topic, offsets) {
    this.topic = topic
    this.offsets = new Map(offsets) // partition -> the next offset
    this.interruptions = 0
    this.stopped = false
    this.cluster = newCluster()
  }

  async connect() {
    await this.cluster.connect()
    await this.cluster.addTargetTopic(this.topic)
    return this
  }

  disconnect() {
    this.stopped = true
    return this.cluster.disconnect()
  }

  // One fetch. The records at or after the wanted offsets: a batch may begin before them.
  async fetch(maxWaitTime = 5000) {
    const leaders = this.cluster.findLeaderForPartitions(this.topic, [...this.offsets.keys()])
    const records = []
    for (const nodeId of Object.keys(leaders)) {
      const broker = await this.cluster.findBroker({ nodeId })
      const partitions = leaders[nodeId].map(partition => ({
        partition,
        fetchOffset: this.offsets.get(partition).toString(),
        maxBytes: 1048576,
      }))
      const { responses } = await broker.fetch({
        isolationLevel: 1,
        maxWaitTime,
        topics: [{ topic: this.topic, partitions }],
      })
      for (const { partitions } of responses) {
        for (const { partition, messages } of partitions) {
          for (const message of messages) {
            const offset = BigInt(message.offset)
            if (offset < this.offsets.get(partition)) continue
            records.push({ ...message, partition, offset })
            this.offsets.set(partition, offset + 1n)
          }
        }
      }
    }
    return records
  }

  // Fetches until `count` records have come; fails on records too many.
  async take(count) {
    const taken = []
    const deadline = Date.now() + patienceMs
    while (taken.length < count) {
      if (Date.now() > deadline) throw new Error(`${taken.length} of ${count} records in ${patienceMs} ms`)
      taken.push(...(await this.fetchAgain()))
    }
    if (taken.length > count) throw new Error(`wanted ${count} records, got ${taken.length}`)
    return taken
  }

  // One fetch; an error that KafkaJS calls retriable is answered as its consumer answers it, by refreshing the metadata.
  async fetchAgain() {
    try {
      return await this.fetch()
    } catch (error) {
      if (this.stopped || !mayPass(error)) throw error
      this.interruptions++
    }
    try {
      if (!this.cluster.isConnected()) await this.cluster.connect()
      await this.cluster.refreshMetadata()
    } catch (error) {
      if (this.stopped || !mayPass(error)) throw error
    }
    return []
  }
}

async function newReader(t, topic, offsets) {
  const reader = new Reader(topic, offsets)
  t.after(() => reader.disconnect())
  return reader.connect()
}

// Every partition from its beginning to its end as the broker states it: partition -> records with offsets from 0 on.
async function readAll(t, topic) {
  const admin = await newAdmin(t)
  const ends = await admin.fetchTopicOffsets(topic)
  const reader = await newReader(t, topic, ends.map(({ partition }) => [partition, 0n]))
  const total = ends.reduce((sum, { high }) => sum + Number(high), 0)
  const read = new Map(ends.map(({ partition }) => [partition, []]))
  for (const record of await reader.take(total)) {
    const records = read.get(record.partition)
    if (record.offset !== BigInt(records.length))
      throw new Error(`partition ${record.partition}: offset ${record.offset} follows ${records.length} records`)
    records.push(record)
  }
  return read
}

async function restartBroker() {
  await promisify(execFile)('bash', ['-c', process.env.EVENKEEL_RESTART], { timeout: patienceMs })
}

module.exports = {
  createTopic, kafka, mayPass, newAdmin, newCluster, newProducer, newReader, newTopic, patienceMs, random, randomBytes, readAll, rejectsWith,
  restartBroker, unusedName,
}
