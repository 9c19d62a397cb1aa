package franzgo

import (
	"errors"

	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func partitionsOf(t *testing.T, topic string) int {
	t.Helper()
	// A client of its own: kadm answers from a cache of up to 5 s.
	listed, err := newAdmin(t).ListTopics(within(t), topic)
	if err != nil || listed[topic].Err != nil {
		t.Fatal(listed, err)
	}
	return len(listed[topic].Partitions)
}

func TestATopicGetsMorePartitionsAndKeepsItsRecords(t *testing.T) {
	topic := newTopic(t, "grown", 2)
	admin := newAdmin(t)
	send(t, newClient(t, kgo.RecordPartitioner(kgo.ManualPartitioner())), numbered(topic, 0, 10)...)
	if grown, err := admin.ValidateUpdatePartitions(within(t), 5, topic); err != nil || grown[topic].Err != nil {
		t.Error(grown, err)
	}
	if count := partitionsOf(t, topic); count != 2 {
		t.Errorf("validated, and there are %d partitions", count)
	}
	if grown, err := admin.UpdatePartitions(within(t), 5, topic); err != nil || grown[topic].Err != nil {
		t.Fatal(grown, err)
	}
	for _, count := range []int{5, 4} {
		if grown, err := admin.UpdatePartitions(within(t), count, topic); err != nil || !errors.Is(grown[topic].Err, kerr.InvalidPartitions) {
			t.Errorf("%d partitions: %+v, %v", count, grown, err)
		}
	}
	none := unusedName("no-topic")
	if grown, err := admin.UpdatePartitions(within(t), 2, none); err != nil || !errors.Is(grown[none].Err, kerr.UnknownTopicOrPartition) {
		t.Errorf("a topic that is not there: %+v, %v", grown, err)
	}
	if err := restartBroker(); err != nil {
		t.Fatal(err)
	}
	if count := partitionsOf(t, topic); count != 5 {
		t.Errorf("after a restart there are %d partitions", count)
	}
	send(t, newClient(t, kgo.RecordPartitioner(kgo.ManualPartitioner())), &kgo.Record{Topic: topic, Partition: 4, Value: []byte("new")})
	read := readAll(t, topic)
	wantNumbered(t, read[0], 0)
	if len(read[0]) != 10 || len(read[4]) != 1 {
		t.Errorf("%d and %d records", len(read[0]), len(read[4]))
	}
}

func configsOf(t *testing.T, topic string) map[string]kadm.Config {
	t.Helper()
	described, err := newAdmin(t).DescribeTopicConfigs(within(t), topic)
	if err != nil || len(described) != 1 || described[0].Err != nil {
		t.Fatal(described, err)
	}
	configs := map[string]kadm.Config{}
	for _, config := range described[0].Configs {
		configs[config.Key] = config
	}
	return configs
}

func wantConfig(t *testing.T, topic, name, value string, source kmsg.ConfigSource) {
	t.Helper()
	if config := configsOf(t, topic)[name]; config.MaybeValue() != value || config.Source != source {
		t.Errorf("wanted %s=%s of %v, got %s of %v", name, value, source, config.MaybeValue(), config.Source)
	}
}

func set(name, value string) kadm.AlterConfig {
	return kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: &value}
}

func TestConfigsAreDescribedSetActedOnAndDeleted(t *testing.T) {
	const dynamic, preset = kmsg.ConfigSourceDynamicTopicConfig, kmsg.ConfigSourceDefaultConfig
	topic := newTopic(t, "configs", 1)
	admin := newAdmin(t)
	wantConfig(t, topic, "max.message.bytes", "1048588", preset)
	wantConfig(t, topic, "cleanup.policy", "delete", preset)

	alter := func(ops ...kadm.AlterConfig) error {
		t.Helper()
		altered, err := admin.AlterTopicConfigs(within(t), ops, topic)
		if err != nil {
			t.Fatal(err)
		}
		return altered[0].Err
	}
	if err := alter(set("max.message.bytes", "2000"), set("message.timestamp.type", "LogAppendTime")); err != nil {
		t.Fatal(err)
	}
	wantConfig(t, topic, "max.message.bytes", "2000", dynamic)
	synonyms := configsOf(t, topic)["max.message.bytes"].Synonyms
	if len(synonyms) != 2 || synonyms[0].Key != "max.message.bytes" || synonyms[1].Key != "message.max.bytes" || synonyms[1].Source != preset {
		t.Errorf("synonyms %+v", synonyms)
	}
	large := &kgo.Record{Topic: topic, Value: randomBytes(3000)}
	if err := newClient(t).ProduceSync(within(t), large).FirstErr(); !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("a record of 3000 bytes: %v", err)
	}
	if err := restartBroker(); err != nil {
		t.Fatal(err)
	}
	wantConfig(t, topic, "max.message.bytes", "2000", dynamic)

	for _, wrong := range []kadm.AlterConfig{
		set("no.such.config", "1"), set("max.message.bytes", "many"), set("cleanup.policy", "burn"),
		set("remote.storage.enable", "true"), // it would have no effect
		{Op: kadm.AppendConfig, Name: "max.message.bytes", Value: kadm.StringPtr("1")},
	} {
		if err := alter(set("message.timestamp.type", "CreateTime"), wrong); !errors.Is(err, kerr.InvalidConfig) {
			t.Errorf("%s=%s: %v", wrong.Name, *wrong.Value, err)
		}
	}
	wantConfig(t, topic, "message.timestamp.type", "LogAppendTime", dynamic)
	validated, err := admin.ValidateAlterTopicConfigs(within(t), []kadm.AlterConfig{set("max.message.bytes", "3000")}, topic)
	if err != nil || validated[0].Err != nil {
		t.Error(validated, err)
	}
	wantConfig(t, topic, "max.message.bytes", "2000", dynamic)
	if err := alter(kadm.AlterConfig{Op: kadm.DeleteConfig, Name: "max.message.bytes"}); err != nil {
		t.Error(err)
	}
	wantConfig(t, topic, "max.message.bytes", "1048588", preset)
	wantConfig(t, topic, "message.timestamp.type", "LogAppendTime", dynamic)
	send(t, newClient(t), large)

	// The older request sets all: what it does not name is deleted.
	if altered, err := admin.AlterTopicConfigsState(within(t), []kadm.AlterConfig{set("max.message.bytes", "2500")}, topic); err != nil || altered[0].Err != nil {
		t.Error(altered, err)
	}
	wantConfig(t, topic, "max.message.bytes", "2500", dynamic)
	wantConfig(t, topic, "message.timestamp.type", "CreateTime", preset)
	if altered, err := admin.AlterTopicConfigsState(within(t), []kadm.AlterConfig{set("max.message.bytes", "many")}, topic); err != nil || !errors.Is(altered[0].Err, kerr.InvalidConfig) {
		t.Errorf("the older request with a wrong value: %+v, %v", altered, err)
	}

	none := unusedName("no-topic")
	if altered, err := admin.AlterTopicConfigs(within(t), []kadm.AlterConfig{set("max.message.bytes", "2000")}, none); err != nil || !errors.Is(altered[0].Err, kerr.UnknownTopicOrPartition) {
		t.Errorf("a topic that is not there: %+v, %v", altered, err)
	}
	brokers, err := admin.ListBrokers(within(t))
	if err != nil {
		t.Fatal(err)
	}
	described, err := admin.DescribeBrokerConfigs(within(t), brokers.NodeIDs()...)
	if err != nil || len(described) != 1 || described[0].Err != nil {
		t.Fatal(described, err)
	}
	names := map[string]string{}
	for _, config := range described[0].Configs {
		names[config.Key] = config.MaybeValue()
	}
	if names["message.max.bytes"] != "1048588" || names["num.partitions"] == "" {
		t.Errorf("the broker's configs: %v", names)
	}
}

func TestRecordsAreDeletedFromTheBeginningForGood(t *testing.T) {
	topic := newTopic(t, "delete-records", 2)
	producer := newClient(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for at := range 10 {
		send(t, producer, numbered(topic, 10*at, 10*at+10)...)
	}
	admin := newAdmin(t)
	remove := func(offsets ...kadm.Offset) kadm.DeleteRecordsResponses {
		t.Helper()
		all := kadm.Offsets{}
		for _, offset := range offsets {
			all.Add(offset)
		}
		removed, err := admin.DeleteRecords(within(t), all)
		if err != nil {
			t.Fatal(err)
		}
		return removed
	}
	removed := remove(kadm.Offset{Topic: topic, Partition: 0, At: 57}, kadm.Offset{Topic: topic, Partition: 1, At: -1})
	if low := removed[topic]; low[0].LowWatermark != 57 || low[0].Err != nil || low[1].LowWatermark != 0 || low[1].Err != nil {
		t.Errorf("removed %+v", removed)
	}
	for _, when := range []string{"at once", "after a restart"} {
		starts, err := newAdmin(t).ListStartOffsets(within(t), topic)
		if err != nil || starts[topic][0].Offset != 57 {
			t.Errorf("%s the log starts at %+v, %v", when, starts, err)
		}
		wantNumbered(t, take(t, consumer(t, topic, 0, kgo.NewOffset().AtStart()), 43), 57)
		if when == "at once" {
			if err := restartBroker(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if low := remove(kadm.Offset{Topic: topic, At: 10})[topic][0]; low.LowWatermark != 57 || low.Err != nil {
		t.Errorf("nothing comes back: %+v", low)
	}
	if low := remove(kadm.Offset{Topic: topic, At: 101})[topic][0]; !errors.Is(low.Err, kerr.OffsetOutOfRange) {
		t.Errorf("beyond the end: %+v", low)
	}
}

func TestLogDirsAndProducersAreDescribed(t *testing.T) {
	topic := newTopic(t, "described", 2)
	producer := newClient(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	send(t, producer, &kgo.Record{Topic: topic, Value: randomBytes(100_000)})
	send(t, producer, &kgo.Record{Topic: topic, Value: randomBytes(10)})
	admin := newAdmin(t)
	partitions := kadm.TopicsSet{}
	partitions.Add(topic, 0, 1)

	all, err := admin.DescribeAllLogDirs(within(t), partitions)
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	for _, dirs := range all {
		for _, dir := range dirs {
			full, empty := dir.Topics[topic][0], dir.Topics[topic][1]
			if dir.Err != nil || len(dirs) != 1 || len(dir.Topics) != 1 || full.Size < 100_000 || full.Size > 101_000 || empty.Size != 0 || full.IsFuture {
				t.Errorf("log directory %+v", dir)
			}
		}
	}

	producers, err := admin.DescribeProducers(within(t), partitions)
	if err != nil {
		t.Fatal(err)
	}
	active := producers[topic].Partitions[0].ActiveProducers.Sorted()
	id, epoch, err := producer.ProducerID(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(active) != 1 || active[0].ProducerID != id || active[0].ProducerEpoch != epoch || active[0].LastSequence != 1 ||
		active[0].CurrentTxnStartOffset != -1 || active[0].LastTimestamp < started {
		t.Errorf("producer %d of epoch %d is described as %+v", id, epoch, active)
	}
	if others := producers[topic].Partitions[1]; others.Err != nil || len(others.ActiveProducers) != 0 {
		t.Errorf("a partition without a producer: %+v", others)
	}
}

func TestOneBrokerHasNothingToElectAndNothingToReassign(t *testing.T) {
	topic := newTopic(t, "elected", 2)
	admin := newAdmin(t)
	partitions := kadm.TopicsSet{}
	partitions.Add(topic, 0, 7)
	for _, how := range []kadm.ElectLeadersHow{kadm.ElectPreferredReplica, kadm.ElectLiveReplica} {
		elected, err := admin.ElectLeaders(within(t), how, partitions)
		if err != nil || !errors.Is(elected[topic][0].Err, kerr.ElectionNotNeeded) || !errors.Is(elected[topic][7].Err, kerr.UnknownTopicOrPartition) {
			t.Errorf("elected %+v, %v", elected, err)
		}
	}

	brokers, err := admin.ListBrokers(within(t))
	if err != nil {
		t.Fatal(err)
	}
	node := brokers.NodeIDs()[0]
	for _, one := range []struct {
		partition int32
		replicas  []int32
		err       error
	}{
		{0, []int32{node}, nil},
		{0, []int32{1000}, kerr.InvalidReplicaAssignment},
		{0, []int32{node, node}, kerr.InvalidReplicaAssignment},
		{0, nil, kerr.NoReassignmentInProgress},
		{7, []int32{node}, kerr.UnknownTopicOrPartition},
	} {
		var request kadm.AlterPartitionAssignmentsReq
		request.Assign(topic, one.partition, one.replicas)
		altered, err := admin.AlterPartitionAssignments(within(t), request)
		if err != nil || !errors.Is(altered[topic][one.partition].Err, one.err) {
			t.Errorf("partition %d to %v: wanted %v, got %+v, %v", one.partition, one.replicas, one.err, altered, err)
		}
	}
	if running, err := admin.ListPartitionReassignments(within(t), nil); err != nil || len(running) != 0 {
		t.Errorf("reassignments %+v, %v", running, err)
	}
}

func TestATopicOfManyPartitionsIsDescribedInParts(t *testing.T) {
	topics := []string{newTopic(t, "parts-a", 50), newTopic(t, "parts-b", 3)}
	client, ctx := newClient(t), within(t)
	seen := map[string]int{}
	request := kmsg.NewPtrDescribeTopicPartitionsRequest()
	request.ResponsePartitionLimit = 7
	for _, topic := range append(topics, unusedName("no-topic")) {
		one := kmsg.NewDescribeTopicPartitionsRequestTopic()
		one.Topic = topic
		request.Topics = append(request.Topics, one)
	}
	answers := 0
	for {
		response, err := request.RequestWith(ctx, client)
		if err != nil {
			t.Fatal(err)
		}
		answers++
		if count := describedIn(t, response, seen); count > 7 {
			t.Errorf("an answer has %d partitions", count)
		}
		if response.NextCursor == nil {
			break
		}
		cursor := kmsg.NewDescribeTopicPartitionsRequestCursor()
		cursor.Topic, cursor.Partition = response.NextCursor.Topic, response.NextCursor.Partition
		request.Cursor = &cursor
	}
	if seen[topics[0]] != 50 || seen[topics[1]] != 3 || answers < 8 {
		t.Errorf("%v in %d answers", seen, answers)
	}
}

// describedIn counts the partitions of an answer, which follow one another in each topic.
func describedIn(t *testing.T, response *kmsg.DescribeTopicPartitionsResponse, seen map[string]int) int {
	t.Helper()
	count := 0
	for _, topic := range response.Topics {
		name := *topic.Topic
		if name == unusedName("no-topic") {
			if topic.ErrorCode != kerr.UnknownTopicOrPartition.Code {
				t.Errorf("a topic that is not there: %+v", topic)
			}
			continue
		}
		for _, partition := range topic.Partitions {
			if topic.ErrorCode != 0 || partition.ErrorCode != 0 || int(partition.Partition) != seen[name] || len(partition.ISR) != 1 {
				t.Errorf("%s: partition %+v follows %d", name, partition, seen[name])
			}
			seen[name]++
			count++
		}
	}
	return count
}
