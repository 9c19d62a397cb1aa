// A consumer group of one topic as its KafkaJS members see it: who owns each partition, what was processed, and what must
// not happen.
'use strict'

const assert = require('node:assert/strict')
const { kafka, newAdmin, newProducer, newTopic, patienceMs, unusedName } = require('./suite')

class Member {
  constructor(group, { onMessage, run, ...settings }) {
    this.group = group
    this.owned = new Set()
    this.joins = 0
    this.id = null
    this.generation = null // of its last commit or heartbeat
    this.committed = new Map() // partition -> offset, as confirmed by the broker
    this.crashes = [] // the client begins anew after one
    this.consumer = kafka().consumer({ groupId: group.name, ...settings })
    const { events } = this.consumer
    const on = (event, act) =>
      this.consumer.on(event, ({ payload }) => {
        act(payload)
        group.changed()
      })
    on(events.GROUP_JOIN, ({ memberId, memberAssignment }) => {
      this.joins++
      this.id = memberId
      this.release()
      for (const partition of memberAssignment[group.topic] ?? []) {
        if (group.owners.has(partition)) group.faults.push(`partition ${partition} has two owners`)
        group.owners.set(partition, this)
        this.owned.add(partition)
      }
    })
    on(events.REBALANCING, () => this.release())
    on(events.STOP, () => this.release())
    on(events.CRASH, ({ error }) => {
      this.crashes.push(error)
      this.release()
    })
    on(events.HEARTBEAT, ({ groupGenerationId }) => (this.generation = groupGenerationId))
    on(events.COMMIT_OFFSETS, ({ groupGenerationId, topics }) => {
      this.generation = groupGenerationId
      for (const { partitions } of topics)
        for (const { partition, offset } of partitions) this.committed.set(Number(partition), Number(offset))
    })
    this.running = this.run(onMessage, run)
    this.running.catch(() => {}) // `until` and `leave` tell of it
  }

  async run(onMessage, settings) {
    await this.consumer.connect()
    await this.consumer.subscribe({ topics: [this.group.topic], fromBeginning: true })
    await this.consumer.run({
      ...settings,
      eachMessage: async ({ partition, message }) => {
        await onMessage?.(partition, message)
        const place = `${partition}/${message.offset}`
        this.group.processed.set(place, (this.group.processed.get(place) ?? 0) + 1)
        this.group.changed()
      },
    })
  }

  release() {
    for (const partition of this.owned)
      if (this.group.owners.get(partition) === this) this.group.owners.delete(partition)
    this.owned.clear()
  }

  async leave() {
    await this.running
    await this.consumer.disconnect()
  }
}

class Group {
  constructor(name, topic, partitions) {
    Object.assign(this, { name, topic, partitions })
    this.owners = new Map() // partition -> member
    this.processed = new Map() // "partition/offset" -> how often
    this.faults = []
    this.members = []
    this.waiting = []
  }

  join(settings = {}) {
    const member = new Member(this, settings)
    this.members.push(member)
    return member
  }

  changed() {
    for (const look of this.waiting) look()
  }

  // Waits for a condition, which is looked at after each change.
  async until(what, holds) {
    let look, timer
    const held = new Promise((resolve, reject) => {
      look = () => holds() && resolve()
      timer = setTimeout(() => reject(new Error(`not within ${patienceMs} ms: ${what}; ${this}`)), patienceMs)
    })
    this.waiting.push(look)
    look()
    try {
      await Promise.race([held, ...this.members.map(member => member.running.then(() => held))])
    } finally {
      clearTimeout(timer)
      this.waiting.splice(this.waiting.indexOf(look), 1)
    }
    assert.deepEqual(this.faults, [])
  }

  toString() {
    const members = this.members.map(({ owned, joins, crashes }) => `${joins} joins, ${crashes.length} crashes, owns ${[...owned]}`)
    return `${this.processed.size} records processed; members: ${members.join('; ')}`
  }

  // Waits until the members own the partitions evenly, and the broker calls the group of these members stable.
  async settled(t, ...members) {
    const admin = await newAdmin(t)
    const deadline = Date.now() + patienceMs
    for (;;) {
      await this.until(`${members.length} members own the partitions evenly`, () =>
        this.owners.size === this.partitions &&
        members.every(({ owned }) => owned.size >= Math.floor(this.partitions / members.length))
      )
      const { groups: [described] } = await admin.describeGroups([this.name])
      const ids = described.members.map(({ memberId }) => memberId).sort()
      if (described.state === 'Stable' && String(ids) === String(members.map(({ id }) => id).sort())) return
      assert.ok(Date.now() < deadline, `${JSON.stringify(described)}; ${this}`)
    }
  }

  // Sends to all partitions evenly.
  async send(t, each) {
    const messages = Array.from({ length: each * this.partitions }, (_, at) => ({ partition: at % this.partitions, value: `${at}` }))
    await (await newProducer(t)).send({ topic: this.topic, messages })
  }

  // Waits until the records upto this offset are processed in each partition: none is skipped, and none from `once` on came twice.
  async wantProcessed(upto, once = 0) {
    await this.until(`each partition is processed upto ${upto}`, () => this.processed.size >= upto * this.partitions)
    for (let partition = 0; partition < this.partitions; partition++)
      for (let offset = 0; offset < upto; offset++) {
        const times = this.processed.get(`${partition}/${offset}`) ?? 0
        assert.ok(offset < once ? times >= 1 : times === 1, `${partition}/${offset} was processed ${times} times`)
      }
    assert.equal(this.processed.size, upto * this.partitions)
  }
}

async function newGroup(t, about, partitions) {
  const group = new Group(unusedName(about), await newTopic(t, about, partitions), partitions)
  t.after(() => Promise.all(group.members.map(member => member.leave())))
  return group
}

// The offsets of a group as the broker tells them: partition -> offset, without those that are not committed.
async function offsetsOf(admin, group, topic) {
  const [{ partitions }] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
  return new Map(
    partitions
      .filter(({ offset }) => offset !== '-1')
      .sort((a, b) => a.partition - b.partition)
      .map(({ partition, offset }) => [partition, Number(offset)])
  )
}

module.exports = { newGroup, offsetsOf }
