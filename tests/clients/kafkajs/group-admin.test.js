'use strict'

const assert = require('node:assert/strict')
const { describe, test } = require('node:test')
const { AssignerProtocol: { MemberAssignment, MemberMetadata } } = require('kafkajs')
const { newGroup, offsetsOf } = require('./group')
const { newAdmin, newTopic, rejectsWith, unusedName } = require('./suite')

const listed = async admin => new Map((await admin.listGroups()).groups.map(({ groupId, ...rest }) => [groupId, rest]))

// Each group of the call that was refused, with its error.
const refusalsOf = promise =>
  promise.then(
    () => assert.fail('it was not refused'),
    error => error.groups.map(({ groupId, error: { type } }) => [groupId, type])
  )

// These mostly wait for a fetch to end, so they run beside one another.
describe('administration of groups', { concurrency: true }, () => {
  test('groups are listed, described and deleted', { timeout: 120_000 }, async t => {
    const group = await newGroup(t, 'operated', 2)
    const admin = await newAdmin(t)
    const member = group.join()
    await group.settled(t, member)
    await group.send(t, 5)
    await group.until('its commits are confirmed', () => member.committed.get(0) === 5 && member.committed.get(1) === 5)

    assert.equal((await listed(admin)).get(group.name).protocolType, 'consumer')
    const none = unusedName('no-group')
    const { groups: [described, missing] } = await admin.describeGroups([group.name, none])
    const { members, ...about } = described
    assert.deepEqual({ ...about }, { errorCode: 0, groupId: group.name, state: 'Stable', protocolType: 'consumer', protocol: 'RoundRobinAssigner' })
    assert.equal(members.length, 1)
    const [{ memberId, clientId, clientHost, memberMetadata, memberAssignment }] = members
    assert.deepEqual([memberId, clientId, clientHost], [member.id, 'kafkajs-suite', '/127.0.0.1'])
    assert.ok(memberId.startsWith('kafkajs-suite-'))
    assert.deepEqual(MemberMetadata.decode(memberMetadata).topics, [group.topic])
    assert.deepEqual({ ...MemberAssignment.decode(memberAssignment).assignment }, { [group.topic]: [0, 1] })
    assert.deepEqual([missing.state, missing.members], ['Dead', []])

    assert.deepEqual(await refusalsOf(admin.deleteGroups([group.name, none])), [[group.name, 'NON_EMPTY_GROUP'], [none, 'GROUP_ID_NOT_FOUND']])
    await member.leave()
    assert.equal((await admin.describeGroups([group.name])).groups[0].state, 'Empty')
    assert.equal((await offsetsOf(admin, group.name, group.topic)).size, 2)
    await admin.deleteGroups([group.name])
    assert.ok(!(await listed(admin)).has(group.name))
    assert.equal((await offsetsOf(admin, group.name, group.topic)).size, 0)
  })

  test('the offsets of a group are set and reset when it has no member', { timeout: 120_000 }, async t => {
    const group = await newGroup(t, 'set', 2)
    const admin = await newAdmin(t)
    const { name: groupId, topic } = group
    await group.send(t, 10)
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '4' }] })
    assert.deepEqual([...(await offsetsOf(admin, groupId, topic))], [[0, 4]])
    const member = group.join()
    await group.settled(t, member)
    await group.until('its commits are confirmed', () => member.committed.get(0) === 10 && member.committed.get(1) === 10)
    for (const [place, times] of group.processed) assert.equal(times, 1, place)
    assert.deepEqual(['0/3', '0/4', '1/0'].map(place => group.processed.has(place)), [false, true, true])
    await assert.rejects(admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '4' }] }), /no running instances/)
    await member.leave()

    // What it stores is "the beginning"; `resolveOffsets` finds out what that is.
    await admin.resetOffsets({ groupId, topic, earliest: true })
    await admin.fetchOffsets({ groupId, topics: [topic], resolveOffsets: true })
    assert.deepEqual([...(await offsetsOf(admin, groupId, topic))], [[0, 0], [1, 0]])
  })

  test('the offsets of a topic go with it', { timeout: 60_000 }, async t => {
    const admin = await newAdmin(t)
    const topic = await newTopic(t, 'offsets-gone', 1)
    const groupId = unusedName('offsets-gone')
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '0' }] })
    const topics = async () => (await admin.fetchOffsets({ groupId })).map(({ topic }) => topic)
    assert.deepEqual(await topics(), [topic])
    await admin.deleteTopics({ topics: [topic] })
    assert.deepEqual(await topics(), [])
  })
})
