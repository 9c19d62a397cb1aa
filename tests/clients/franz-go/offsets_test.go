package franzgo

import (
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

func TestCommittedOffsetsKeepTheirMetadataAndEpoch(t *testing.T) {
	topic, name := newTopic(t, "offsets", 3), unusedName("offsets")
	admin := newAdmin(t)
	send(t, newClient(t), numbered(topic, 0, 10)...)

	unknown, err := admin.FetchOffsetsForTopics(within(t), unusedName("no-group"), topic)
	if err != nil {
		t.Fatal(err)
	}
	for partition := range int32(3) {
		if at, found := unknown.Lookup(topic, partition); !found || at.Err != nil || at.At != -1 {
			t.Errorf("a group that is not there: %+v", at)
		}
	}

	commit := func(offsets ...kadm.Offset) kadm.OffsetResponses {
		t.Helper()
		all := kadm.Offsets{}
		for _, offset := range offsets {
			all.Add(offset)
		}
		committed, err := admin.CommitOffsets(within(t), name, all)
		if err != nil {
			t.Fatal(err)
		}
		return committed
	}
	first := kadm.Offset{Topic: topic, Partition: 0, At: 7, LeaderEpoch: 0, Metadata: "größer als 7"}
	second := kadm.Offset{Topic: topic, Partition: 1, At: 1 << 40, LeaderEpoch: -1}
	if committed := commit(first, second); committed.Error() != nil {
		t.Fatal(committed.Error())
	}
	want := func(when string, wanted ...kadm.Offset) {
		t.Helper()
		found, err := admin.FetchOffsets(within(t), name)
		if err != nil {
			t.Fatal(err)
		}
		for _, offset := range wanted {
			at, there := found.Lookup(topic, offset.Partition)
			at.TopicID = kadm.TopicID{}
			if !there || at.Err != nil || at.Offset != offset {
				t.Errorf("%s: wanted %+v, got %+v", when, offset, at)
			}
		}
		if len(found[topic]) != len(wanted) {
			t.Errorf("%s: %d offsets, got %+v", when, len(wanted), found[topic])
		}
	}
	want("at once", first, second)
	if err := restartBroker(); err != nil {
		t.Fatal(err)
	}
	want("after a restart", first, second)
	first.At, first.Metadata = 3, "back"
	if committed := commit(first); committed.Error() != nil {
		t.Fatal(committed.Error())
	}
	want("set back", first, second)

	refused := commit(
		kadm.Offset{Topic: topic, Partition: 0, At: 5, LeaderEpoch: -1, Metadata: strings.Repeat("x", 4097)},
		kadm.Offset{Topic: topic, Partition: 2, At: 5, LeaderEpoch: -1, Metadata: strings.Repeat("x", 4096)},
		kadm.Offset{Topic: topic, Partition: 3, At: 5, LeaderEpoch: -1},
		kadm.Offset{Topic: unusedName("no-topic"), Partition: 0, At: 5, LeaderEpoch: -1},
	)
	for _, outcome := range []struct {
		topic     string
		partition int32
		err       error
	}{
		{topic, 0, kerr.OffsetMetadataTooLarge}, {topic, 2, nil}, {topic, 3, kerr.UnknownTopicOrPartition},
		{unusedName("no-topic"), 0, kerr.UnknownTopicOrPartition},
	} {
		if at, _ := refused.Lookup(outcome.topic, outcome.partition); !errors.Is(at.Err, outcome.err) {
			t.Errorf("%s/%d: wanted %v, got %v", outcome.topic, outcome.partition, outcome.err, at.Err)
		}
	}

	// A group that has a member takes commits from its members alone.
	g := newGroup(t, "offsets-members", 1)
	m := g.join(t, true)
	g.settled(t, m)
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: g.topic, At: 0, LeaderEpoch: -1})
	outside, err := admin.CommitOffsets(within(t), g.name, offsets)
	if err != nil || !errors.Is(outside.Error(), kerr.UnknownMemberID) {
		t.Errorf("a commit from outside: %v, %v", err, outside.Error())
	}
	described, err := admin.DescribeGroups(within(t), g.name)
	if err != nil {
		t.Fatal(err)
	}
	memberID := described[g.name].Members[0].MemberID
	for _, stale := range []struct {
		generation int32
		member     string
		code       int16
	}{
		{m.generation(), memberID, 0},
		{m.generation() - 1, memberID, kerr.IllegalGeneration.Code},
		{m.generation() + 1, memberID, kerr.IllegalGeneration.Code},
		{m.generation(), memberID + "x", kerr.UnknownMemberID.Code},
	} {
		if code := commitAs(t, g, stale.generation, stale.member); code != stale.code {
			t.Errorf("generation %d (current %d), member %q: wanted %d, got %d", stale.generation, m.generation(), stale.member, stale.code, code)
		}
	}
}

func commitAs(t *testing.T, g *group, generation int32, memberID string) int16 {
	t.Helper()
	request := kmsg.NewPtrOffsetCommitRequest()
	request.Group, request.Generation, request.MemberID = g.name, generation, memberID
	partition := kmsg.NewOffsetCommitRequestTopicPartition()
	topic := kmsg.NewOffsetCommitRequestTopic()
	topic.Topic, topic.Partitions = g.topic, append(topic.Partitions, partition)
	request.Topics = append(request.Topics, topic)
	// From version 10 on topics have ids here.
	client := newClient(t, kgo.MaxVersions(kversion.V3_8_0()))
	response, err := request.RequestWith(within(t), client)
	if err != nil {
		t.Fatal(err)
	}
	return response.Topics[0].Partitions[0].ErrorCode
}

func TestASimpleConsumerGoesOnWhereItCommitted(t *testing.T) {
	topic, name := newTopic(t, "simple", 1), unusedName("simple")
	send(t, newClient(t), numbered(topic, 0, 20)...)
	admin := newAdmin(t)
	read := take(t, consumer(t, topic, 0, kgo.NewOffset().AtStart()), 20)
	if err := admin.CommitAllOffsets(within(t), name, kadm.OffsetsFromRecords(*read[11])); err != nil {
		t.Fatal(err)
	}
	found, err := admin.FetchOffsets(within(t), name)
	if err != nil {
		t.Fatal(err)
	}
	at, _ := found.Lookup(topic, 0)
	if at.At != 12 || at.LeaderEpoch != read[11].LeaderEpoch {
		t.Errorf("committed 12 of epoch %d, found %+v", read[11].LeaderEpoch, at)
	}
	// The same name as a group with members goes on from there.
	client := newClient(t, kgo.ConsumerGroup(name), kgo.ConsumeTopics(topic))
	wantNumbered(t, take(t, client, 8), 12)
}
