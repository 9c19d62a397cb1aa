'use strict'

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { newGroup, offsetsOf } = require('./group')
const { Progress, stream } = require('./stream')
const { newAdmin, newProducer, readAll, restartBroker } = require('./suite')

test('through three kills every record is processed, and no member is rebalanced', { timeout: 180_000 }, async t => {
  const group = await newGroup(t, 'kills', 4)
  const members = [group.join(), group.join()]
  await group.settled(t, ...members)
  const joins = members.map(member => member.joins)
  const ids = members.map(member => member.id)
  const owned = members.map(member => [...member.owned])

  const progress = new Progress()
  t.after(() => (progress.stop = true))
  const streaming = stream(await newProducer(t), group.topic, group.partitions, progress)
  const enough = count => Promise.race([progress.more(count), streaming])
  await enough(500)
  for (let restarts = 0; restarts < 3; restarts++) {
    const confirmed = new Map(members.flatMap(({ committed }) => [...committed]))
    await restartBroker()
    const found = await offsetsOf(await newAdmin(t), group.name, group.topic)
    for (const [partition, offset] of confirmed)
      assert.ok(found.get(partition) >= offset, `partition ${partition}: ${offset} was confirmed, ${found.get(partition)} is there`)
    await enough(500)
  }
  progress.stop = true
  const { confirmed, sent, failedSends } = await streaming

  // A send that failed may be in the log twice: it was sent again.
  const places = new Set()
  for (const [partition, records] of await readAll(t, group.topic)) records.forEach((_, at) => places.add(`${partition}/${at}`))
  for (const place of confirmed.keys()) assert.ok(places.has(place), place)
  await group.until('every record is processed', () => group.processed.size >= places.size)
  assert.deepEqual(new Set(group.processed.keys()), places)

  assert.deepEqual(members.flatMap(({ crashes }) => crashes), [])
  assert.deepEqual(members.map(member => member.joins), joins, 'no member has joined again')
  assert.deepEqual(members.map(member => member.id), ids)
  assert.deepEqual(members.map(member => [...member.owned]), owned)

  // A member that comes when all have left begins where they were.
  await Promise.all(members.map(member => member.leave()))
  const late = group.join()
  await group.settled(t, late)
  await group.send(t, 10)
  await group.until('the new records are processed', () => group.processed.size >= places.size + 10 * group.partitions)
  for (const [place, times] of group.processed) assert.equal(times, 1, `${place} was processed ${times} times though no member was lost`)
  t.diagnostic(`${sent} records sent, ${places.size} in the log, ${failedSends} sends failed`)
})
