// Records that are sent without a pause while something else happens, as `restart` tests need them.
'use strict'

const assert = require('node:assert/strict')
const { mayPass, random, randomBytes } = require('./suite')

// Sends small batches one after the other until told to stop; what a failed send held is sent again, unchanged.
async function stream(producer, topic, partitions, progress) {
  const confirmed = new Map() // "partition/offset" -> value
  let [sent, failedSends] = [0, 0]
  while (!progress.stop) {
    const messages = Array.from({ length: 1 + random(20) }, () => {
      const value = `${String(sent).padStart(8, '0')} ${randomBytes(random(50)).toString('hex')}`
      return { partition: sent++ % partitions, value }
    })
    for (;;) {
      let outcome
      try {
        outcome = await producer.send({ topic, messages })
      } catch (error) {
        assert.ok(mayPass(error), error.stack)
        failedSends++
        continue
      }
      for (const { partition, baseOffset, errorCode } of outcome) {
        assert.equal(errorCode, 0)
        messages
          .filter(message => message.partition === partition)
          .forEach((message, at) => {
            const place = `${partition}/${BigInt(baseOffset) + BigInt(at)}`
            assert.ok(!confirmed.has(place), `${place} is confirmed twice`)
            confirmed.set(place, message.value)
          })
      }
      break
    }
    progress.advance(messages.length)
  }
  return { confirmed, sent, failedSends }
}

class Progress {
  stop = false
  count = 0
  waiting = []
  advance(by) {
    this.count += by
    this.waiting = this.waiting.filter(({ target, resolve }) => (this.count < target ? true : resolve()))
  }
  more(by) {
    return new Promise(resolve => this.waiting.push({ target: this.count + by, resolve }))
  }
}

module.exports = { Progress, stream }
