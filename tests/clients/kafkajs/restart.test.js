'use strict'

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { Progress, stream } = require('./stream')
const { newProducer, newReader, newTopic, readAll, restartBroker } = require('./suite')

const partitions = 3

for (const idempotent of [false, true]) {
  const promise = idempotent ? 'exactly once' : 'at least once'
  test(`every confirmed record is there ${promise} after a kill`, { timeout: 120_000 }, async t => {
    const topic = await newTopic(t, `restart-${idempotent}`, partitions)
    const places = Array.from({ length: partitions }, (_, partition) => [partition, 0n])

    // This reader runs from before the restart to the end and is never made anew.
    const running = await newReader(t, topic, places)
    const polled = new Map(places.map(([partition]) => [partition, []]))
    let polledCount = 0
    let total = Infinity
    const poll = async () => {
      while (polledCount < total) {
        for (const record of await running.fetchAgain()) {
          polled.get(record.partition).push(record.value.toString())
          polledCount++
        }
      }
    }
    const polling = poll()
    polling.catch(() => {}) // it is awaited below

    const progress = new Progress()
    t.after(() => (progress.stop = true))
    const streaming = stream(await newProducer(t, { idempotent }), topic, partitions, progress)
    const enough = count => Promise.race([progress.more(count), streaming, polling])
    await enough(2000)
    await restartBroker()
    await enough(2000)
    progress.stop = true
    const { confirmed, sent, failedSends } = await streaming

    const read = await readAll(t, topic)
    let found = 0
    for (const [partition, records] of read) {
      const numbers = new Set()
      let last = -1
      for (const { offset, value } of records) {
        const [text, number] = [value.toString(), Number(value.toString().slice(0, 8))]
        const place = `${partition}/${offset}`
        if (confirmed.has(place)) {
          assert.equal(text, confirmed.get(place), place)
          confirmed.delete(place)
          assert.ok(number > last, `${place}: confirmed records are in order`)
          last = number
        } else {
          assert.ok(!idempotent, `${place} holds ${text.slice(0, 8)}, which was confirmed elsewhere`)
        }
        numbers.add(number)
      }
      found += numbers.size
    }
    assert.equal(confirmed.size, 0, 'every confirmed record is at its offset')
    assert.equal(found, sent)

    const inTheLog = [...read.values()].reduce((sum, records) => sum + records.length, 0)
    if (idempotent) assert.equal(inTheLog, sent)
    // The total ends the loop; this record ends the fetch that may be waiting in it.
    total = inTheLog
    await (await newProducer(t)).send({ topic, messages: [{ partition: 0, value: 'the end' }] })
    await polling
    polled.set(0, polled.get(0).filter(value => value !== 'the end'))
    for (const [partition, records] of read)
      assert.deepEqual(polled.get(partition), records.map(record => record.value.toString()))
    t.diagnostic(`${sent} records sent, ${inTheLog} in the log, ${failedSends} sends failed, ${running.interruptions} fetches interrupted`)
  })
}
