'use strict'

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { newAdmin, newProducer, newReader, newTopic } = require('./suite')

const numbered = (from, upto) => Array.from({ length: upto - from }, (_, at) => ({ value: `value ${from + at}` }))

function assertNumbered(records, from) {
  records.forEach((record, at) => {
    assert.equal(record.offset, BigInt(from + at))
    assert.equal(record.value.toString(), `value ${from + at}`)
  })
}

test('records are read from the beginning, from inside a batch, and from the end', async t => {
  const topic = await newTopic(t, 'offsets')
  const producer = await newProducer(t)
  const [sent] = await producer.send({ topic, messages: numbered(0, 100) }) // one batch
  assert.equal(sent.baseOffset, '0')
  await producer.send({ topic, messages: numbered(100, 150) })
  for (const from of [0, 57, 99, 100, 149]) {
    const reader = await newReader(t, topic, [[0, BigInt(from)]])
    assertNumbered(await reader.take(150 - from), from)
  }
  const [end] = await (await newAdmin(t)).fetchTopicOffsets(topic)
  assert.deepEqual({ ...end }, { partition: 0, offset: '150', low: '0', high: '150' })
  const reader = await newReader(t, topic, [[0, BigInt(end.offset)]])
  const taking = reader.take(1)
  await producer.send({ topic, messages: numbered(150, 151) })
  assertNumbered(await taking, 150)
})

test('an offset beyond the end is an error', async t => {
  const topic = await newTopic(t, 'beyond')
  await (await newProducer(t)).send({ topic, messages: numbered(0, 10) })
  const reader = await newReader(t, topic, [[0, 11n]])
  await assert.rejects(reader.fetch(), { type: 'OFFSET_OUT_OF_RANGE' })
})

test('a fetch that waits on an empty topic gets the first record at once', async t => {
  const topic = await newTopic(t, 'long-poll')
  const producer = await newProducer(t)
  const reader = await newReader(t, topic, [[0, 0n]])
  const fetching = reader.fetch(10_000)
  const sent = Date.now()
  await producer.send({ topic, messages: numbered(0, 1) })
  assertNumbered(await fetching, 0)
  assert.ok(Date.now() - sent < 5000, 'the record woke the fetch')
})

test('an empty fetch ends when its wait is over', async t => {
  const topic = await newTopic(t, 'empty')
  const reader = await newReader(t, topic, [[0, 0n]])
  const begun = Date.now()
  assert.deepEqual(await reader.fetch(300), [])
  assert.ok(Date.now() - begun >= 290)
})

test('a timestamp leads to the first record at or after it', async t => {
  const topic = await newTopic(t, 'timestamp')
  const producer = await newProducer(t)
  const admin = await newAdmin(t)
  const day = 1_700_000_000_000
  const at = (...millis) => millis.map(ms => ({ value: `${ms}`, timestamp: `${day + ms}` }))
  await producer.send({ topic, messages: at(0, 1000, 2000, 3000, 4000) })
  await producer.send({ topic, messages: at(10_000, 50_000, 20_000, 70_000) })
  await producer.send({ topic, messages: at(60_000, 80_000) })
  for (const [millis, offset] of [
    [-5, 0], [0, 0], [1, 1], [2000, 2], [3999, 4], // inside the first batch
    [4001, 5], // between two batches
    [10_001, 6], [50_001, 8], // out of order inside the second batch
    [70_001, 10], [80_000, 10],
    [80_001, 11], // beyond the newest: KafkaJS answers with the end
  ]) {
    assert.deepEqual(
      (await admin.fetchTopicOffsetsByTimestamp(topic, day + millis)).map(found => ({ ...found })),
      [{ partition: 0, offset: `${offset}` }],
      `timestamp ${millis}`
    )
  }
  const reader = await newReader(t, topic, [[0, 6n]])
  assert.deepEqual((await reader.take(5)).map(record => record.value.toString()), ['50000', '20000', '70000', '60000', '80000'])
})
