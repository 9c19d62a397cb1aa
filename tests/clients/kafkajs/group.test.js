'use strict'

const assert = require('node:assert/strict')
const { describe, test } = require('node:test')
const { AssignerProtocol: { MemberAssignment, MemberMetadata } } = require('kafkajs')
const { newGroup, offsetsOf } = require('./group')
const { newAdmin, newCluster, rejectsWith, restartBroker, unusedName } = require('./suite')

// A client waits up to five seconds in a fetch before it hears of a rebalance, so these run beside one another.
describe('groups', { concurrency: true }, () => {
  test('a group shares its partitions and hands them over', { timeout: 120_000 }, async t => {
    const group = await newGroup(t, 'share', 6)
    await group.send(t, 10)
    const first = group.join()
    await group.settled(t, first)
    await group.wantProcessed(10)

    const [second, third] = [group.join(), group.join()]
    await group.settled(t, first, second, third)
    for (const { owned } of [first, second, third]) assert.equal(owned.size, 2)
    await group.send(t, 10)
    await group.wantProcessed(20)

    const joins = first.joins
    await second.leave()
    await group.settled(t, first, third)
    assert.ok(first.joins > joins)
    await group.send(t, 10)
    await group.wantProcessed(30)

    // What left has committed all: a member that comes later processes the new records alone.
    await Promise.all([first.leave(), third.leave()])
    await group.send(t, 10)
    const late = group.join()
    await group.settled(t, late)
    await group.wantProcessed(40)
    assert.deepEqual(group.members.flatMap(({ crashes }) => crashes), [])
  })

  test("an assigner of one's own sees what its members said, and they what it assigned", { timeout: 120_000 }, async t => {
    // Not UTF-8: the broker must not look into it.
    const bytes = Buffer.from([0, 255, 254, 128, 0, 10])
    const group = await newGroup(t, 'own-assigner', 4)
    const seen = []
    const assigned = []
    // All to the member that asks for most.
    const wants = most => ({ cluster }) => ({
      name: 'own',
      version: 1,
      protocol: ({ topics }) => ({
        name: 'own',
        metadata: MemberMetadata.encode({ version: 1, topics, userData: Buffer.concat([Buffer.from([most]), bytes]) }),
      }),
      async assign({ members, topics: [topic] }) {
        const asked = members.map(({ memberId, memberMetadata }) => ({ memberId, ...MemberMetadata.decode(memberMetadata) }))
        seen.push(...asked)
        const [{ memberId }] = asked.sort((a, b) => b.userData[0] - a.userData[0])
        const assignment = { [topic]: cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId) }
        assigned.push({ memberId, assignment: MemberAssignment.encode({ version: 1, assignment, userData: bytes }) })
        return [{ memberId, memberAssignment: assigned.at(-1).assignment }]
      },
    })
    const little = group.join({ partitionAssigners: [wants(1)] })
    await group.until('it owns all', () => little.owned.size === 4)
    const much = group.join({ partitionAssigners: [wants(2)] })
    await group.until('the other owns all', () => much.owned.size === 4 && little.joins === 2)
    for (const { version, topics, userData } of seen) {
      assert.deepEqual([version, topics], [1, [group.topic]])
      assert.deepEqual(userData.subarray(1), bytes)
    }
    const { groups: [described] } = await (await newAdmin(t)).describeGroups([group.name])
    assert.equal(described.protocol, 'own')
    for (const { memberId, memberAssignment } of described.members)
      assert.deepEqual(memberAssignment, memberId === much.id ? assigned.at(-1).assignment : Buffer.alloc(0))
  })

  test('a member that has no assigner in common with the group is refused', { timeout: 120_000 }, async t => {
    const group = await newGroup(t, 'assigners', 1)
    await group.settled(t, group.join())
    const cluster = newCluster()
    t.after(() => cluster.disconnect())
    await cluster.connect()
    const coordinator = await cluster.findGroupCoordinator({ groupId: group.name })
    const join = {
      groupId: group.name, sessionTimeout: 30_000, rebalanceTimeout: 60_000, memberId: '',
      groupProtocols: [{ name: 'no such', metadata: MemberMetadata.encode({ version: 1, topics: [group.topic] }) }],
    }
    await rejectsWith('INCONSISTENT_GROUP_PROTOCOL', coordinator.joinGroup(join))
    for (const sessionTimeout of [5999, 1_800_001])
      await rejectsWith('INVALID_SESSION_TIMEOUT', coordinator.joinGroup({ ...join, groupId: unusedName('session'), sessionTimeout }))
  })

  test('a member that is silent loses its partitions, and its commit is refused', { timeout: 120_000 }, async t => {
    let release
    const held = new Promise(resolve => (release = resolve))
    t.after(() => release())
    const group = await newGroup(t, 'silent', 1)
    await group.send(t, 10)
    // It processes its first record for long, and sends no heartbeat while it does so.
    let processing = false
    const onMessage = () => {
      processing = true
      group.changed()
      return held
    }
    const silent = group.join({ sessionTimeout: 6000, onMessage })
    await group.until('the first member has a record', () => processing)
    const first = silent.id
    silent.release() // it is not told that it loses the partition
    const heir = group.join({ sessionTimeout: 6000 })
    await group.until('the heir has processed all', () => heir.owned.size === 1 && heir.committed.get(0) === 10)
    const admin = await newAdmin(t)
    assert.deepEqual([...(await offsetsOf(admin, group.name, group.topic))], [[0, 10]])

    await rejectsWith('UNKNOWN_MEMBER_ID', silent.consumer.commitOffsets([{ topic: group.topic, partition: 0, offset: '3' }]))
    release()
    await group.until('the first member is a new one', () => silent.joins > 1 && silent.id !== first)
    assert.deepEqual([...(await offsetsOf(admin, group.name, group.topic))], [[0, 10]])
  })

  test('a commit of another generation or another member is refused', { timeout: 120_000 }, async t => {
    const group = await newGroup(t, 'stale', 1)
    const member = group.join()
    await group.settled(t, member)
    await group.send(t, 10)
    await group.until('a commit is confirmed', () => member.committed.get(0) === 10)
    const cluster = newCluster()
    t.after(() => cluster.disconnect())
    await cluster.connect()
    const coordinator = await cluster.findGroupCoordinator({ groupId: group.name })
    const commit = (groupGenerationId, memberId) =>
      coordinator.offsetCommit({
        groupId: group.name, groupGenerationId, memberId,
        topics: [{ topic: group.topic, partitions: [{ partition: 0, offset: '3' }] }],
      })
    for (const [generation, id, error] of [
      [member.generation - 1, member.id, 'ILLEGAL_GENERATION'],
      [member.generation + 1, member.id, 'ILLEGAL_GENERATION'],
      [member.generation, `${member.id}x`, 'UNKNOWN_MEMBER_ID'],
      [-1, '', 'UNKNOWN_MEMBER_ID'],
    ]) {
      await rejectsWith(error, commit(generation, id))
      await rejectsWith(error, coordinator.heartbeat({ groupId: group.name, groupGenerationId: generation, memberId: id }))
    }
    const admin = await newAdmin(t)
    assert.deepEqual([...(await offsetsOf(admin, group.name, group.topic))], [[0, 10]])
    await commit(member.generation, member.id)
    assert.deepEqual([...(await offsetsOf(admin, group.name, group.topic))], [[0, 3]])
  })
})

test('a committed offset keeps its metadata, through a restart', { timeout: 120_000 }, async t => {
  const group = await newGroup(t, 'metadata', 2)
  const member = group.join({ run: { autoCommit: false } })
  await group.settled(t, member)
  await group.send(t, 10)
  await group.wantProcessed(10)
  const place = { topic: group.topic, partition: 0 }
  const admin = await newAdmin(t)
  const fetch = async () => (await admin.fetchOffsets({ groupId: group.name, topics: [group.topic] }))[0].partitions
  const want = [{ partition: 0, offset: '7', metadata: 'größer als 7' }, { partition: 1, offset: '-1', metadata: null }]
  await member.consumer.commitOffsets([{ ...place, offset: '7', metadata: 'größer als 7' }])
  assert.deepEqual(await fetch(), want)
  // KafkaJS repeats every refused commit for a while.
  const { commitOffsets } = member.consumer
  await rejectsWith('OFFSET_METADATA_TOO_LARGE', commitOffsets([{ ...place, offset: '8', metadata: 'x'.repeat(4097) }]))
  assert.deepEqual(await fetch(), want)
  await restartBroker()
  assert.deepEqual(await fetch(), want)
  const largest = 'x'.repeat(4096)
  await commitOffsets([{ ...place, offset: '3', metadata: largest }])
  assert.deepEqual((await fetch())[0], { partition: 0, offset: '3', metadata: largest })
  assert.deepEqual(
    (await admin.fetchOffsets({ groupId: unusedName('no-group'), topics: [group.topic] }))[0].partitions.map(({ offset }) => offset),
    ['-1', '-1']
  )
})
