'use strict'

const assert = require('node:assert/strict')
const { before, test } = require('node:test')
const { CompressionCodecs, CompressionTypes } = require('kafkajs')
const LZ4Codec = require('@2l/kafkajs-lz4')
const zstd = require('@bokuweb/zstd-wasm')
const { newProducer, newReader, newTopic, randomBytes, readAll } = require('./suite')

// KafkaJS has gzip built in; the others are plugged in the way its documentation says.
before(async () => {
  await zstd.init()
  CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')
  CompressionCodecs[CompressionTypes.LZ4] = new LZ4Codec().codec
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async encoder => Buffer.from(zstd.compress(encoder.buffer, 3)),
    decompress: async bytes => Buffer.from(zstd.decompress(bytes)),
  })
})

test('keys, values, headers and timestamps come back unchanged', async t => {
  const topic = await newTopic(t, 'unchanged')
  const day = 1_700_000_000_000
  const [key, value] = [randomBytes(300), randomBytes(3000)]
  await (await newProducer(t)).send({
    topic,
    messages: [
      { key: 'key', value: 'value', timestamp: `${day}` },
      { value: 'no key', timestamp: `${day + 5}` },
      { key: '', value: 'empty key', timestamp: `${day + 3}` },
      { key: 'tombstone', value: null, timestamp: `${day + 7}` },
      { key: 'empty value', value: '', timestamp: `${day + 7}` },
      { key, value, timestamp: `${day + 8}` },
      {
        key: 'headers',
        value: 'v',
        timestamp: `${day + 9}`,
        headers: { twice: ['1', '2'], bytes: Buffer.from([0, 255]), empty: '', grün: 'größer' },
      },
    ],
  })
  const read = await (await newReader(t, topic, [[0, 0n]])).take(7)
  const text = bytes => bytes && bytes.toString('latin1')
  assert.deepEqual(
    read.map(record => [text(record.key), text(record.value), Number(record.timestamp) - day]),
    [
      ['key', 'value', 0],
      [null, 'no key', 5],
      ['', 'empty key', 3],
      ['tombstone', null, 7],
      ['empty value', '', 7],
      [text(key), text(value), 8],
      ['headers', 'v', 9],
    ]
  )
  const { headers } = read[6]
  assert.deepEqual(headers.twice.map(String), ['1', '2'])
  assert.deepEqual([...headers.bytes], [0, 255])
  assert.equal(headers.empty.length, 0)
  assert.equal(headers.grün.toString(), 'größer')
})

for (const codec of ['None', 'GZIP', 'Snappy', 'LZ4', 'ZSTD']) {
  test(`a batch of 5000 records with codec ${codec} comes back`, async t => {
    const topic = await newTopic(t, `codec-${codec}`)
    const messages = Array.from({ length: 5000 }, (_, at) => ({ value: `value ${at} ${'abc'.repeat(20)}` }))
    await (await newProducer(t)).send({ topic, messages, compression: CompressionTypes[codec] })
    const read = await (await newReader(t, topic, [[0, 0n]])).take(5000)
    read.forEach((record, at) => assert.equal(record.value.toString(), messages[at].value))
    assert.equal(read[0].batchContext.lastOffsetDelta, 4999, 'it is one batch')
  })
}

test('records of nearly a megabyte fit', async t => {
  const topic = await newTopic(t, 'large')
  const producer = await newProducer(t)
  const sent = Array.from({ length: 4 }, (_, at) => randomBytes(1_040_000 + at))
  for (const value of sent) await producer.send({ topic, messages: [{ value }] })
  const read = await (await newReader(t, topic, [[0, 0n]])).take(4)
  read.forEach((record, at) => assert.ok(record.value.equals(sent[at])))
})

for (const idempotent of [false, true]) {
  test(`a too large batch is refused and harms no other, idempotent: ${idempotent}`, async t => {
    const topic = await newTopic(t, `too-large-${idempotent}`)
    const producer = await newProducer(t, { idempotent })
    await producer.send({ topic, messages: [{ value: 'before' }] })
    const refused = producer.send({ topic, messages: [{ value: randomBytes(1_100_000) }] })
    await assert.rejects(refused, { type: 'MESSAGE_TOO_LARGE' })
    await producer.send({ topic, messages: [{ value: 'after' }] })
    const read = (await readAll(t, topic)).get(0)
    assert.deepEqual(read.map(record => record.value.toString()), ['before', 'after'])
  })
}

for (const [name, settings, acks] of [
  ['acks -1', {}, -1],
  ['acks 1', {}, 1],
  ['acks 0', {}, 0],
  ['an idempotent producer', { idempotent: true }, -1],
]) {
  test(`${name} delivers in order`, async t => {
    const topic = await newTopic(t, name.replaceAll(' ', '-'))
    const producer = await newProducer(t, settings)
    for (let from = 0; from < 1000; from += 100) {
      const messages = Array.from({ length: 100 }, (_, at) => ({ value: `${from + at}` }))
      await producer.send({ topic, messages, acks })
    }
    // Without acks nothing says when the records are there: the reader waits for them.
    const read = await (await newReader(t, topic, [[0, 0n]])).take(1000)
    assert.deepEqual(read.map(record => Number(record.value)), Array.from({ length: 1000 }, (_, at) => at))
  })
}

test('a hundred partitions keep count and order', async t => {
  const topic = await newTopic(t, 'hundred', 100)
  const producer = await newProducer(t)
  for (let round = 0; round < 5; round++) {
    const messages = []
    for (let at = 0; at < 10; at++)
      for (let partition = 0; partition < 100; partition++)
        messages.push({ partition, value: `${round * 10 + at} of ${partition}` })
    await producer.send({ topic, messages })
  }
  const read = await readAll(t, topic)
  assert.equal(read.size, 100)
  for (const [partition, records] of read)
    assert.deepEqual(
      records.map(record => record.value.toString()),
      Array.from({ length: 50 }, (_, at) => `${at} of ${partition}`)
    )
})

test('records with a key keep to one partition', async t => {
  const topic = await newTopic(t, 'keyed', 8)
  const messages = Array.from({ length: 400 }, (_, at) => ({ key: `key ${at % 20}`, value: `${at}` }))
  await (await newProducer(t)).send({ topic, messages })
  const homes = new Map()
  let count = 0
  for (const [partition, records] of await readAll(t, topic))
    for (const record of records) {
      count++
      const key = record.key.toString()
      const { home, last } = homes.get(key) ?? { home: partition, last: -1 }
      assert.equal(partition, home)
      assert.ok(Number(record.value) > last, 'in order within the key')
      homes.set(key, { home, last: Number(record.value) })
    }
  assert.equal(count, 400)
})
