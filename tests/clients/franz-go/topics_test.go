package franzgo

import (
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestATopicIsCreatedListedAndDeleted(t *testing.T) {
	admin, topic := newAdmin(t), unusedName("life")
	created, err := admin.CreateTopic(within(t), 3, 1, nil, topic)
	if err != nil {
		t.Fatal(err)
	}
	if created.ID == (kadm.TopicID{}) || created.NumPartitions != 3 || created.ReplicationFactor != 1 {
		t.Errorf("created %+v", created)
	}
	all, err := admin.ListTopics(within(t))
	if err != nil {
		t.Fatal(err)
	}
	listed := all[topic]
	if listed.Err != nil || listed.ID != created.ID || len(listed.Partitions) != 3 || listed.IsInternal {
		t.Errorf("listed %+v", listed)
	}
	for _, partition := range listed.Partitions {
		if partition.Err != nil || len(partition.Replicas) != 1 || partition.Leader != partition.Replicas[0] || len(partition.ISR) != 1 {
			t.Errorf("partition %+v", partition)
		}
	}
	if _, err := admin.DeleteTopic(within(t), topic); err != nil {
		t.Fatal(err)
	}
	wantGone(t, topic)
	if _, err := admin.DeleteTopic(within(t), topic); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("deleted twice: %v", err)
	}
}

// wantGone waits until the topic is unknown. It asks the broker itself: kadm answers from a cache of up to 5 s.
func wantGone(t *testing.T, topic string) {
	t.Helper()
	client, ctx := newClient(t), within(t)
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = append(request.Topics, kmsg.MetadataRequestTopic{Topic: &topic})
	for {
		response, err := request.RequestWith(ctx, client)
		if err != nil {
			t.Fatalf("%s is still there: %v", topic, err)
		}
		if response.Topics[0].ErrorCode == kerr.UnknownTopicOrPartition.Code {
			return
		}
	}
}

func TestAnExistingTopicIsNotCreatedAgain(t *testing.T) {
	topic := newTopic(t, "existing", 2)
	if _, err := newAdmin(t).CreateTopic(within(t), 5, 1, nil, topic); !errors.Is(err, kerr.TopicAlreadyExists) {
		t.Errorf("wanted TOPIC_ALREADY_EXISTS, got %v", err)
	}
	listed, err := newAdmin(t).ListTopics(within(t), topic)
	if err != nil || len(listed[topic].Partitions) != 2 {
		t.Errorf("%+v, %v", listed, err)
	}
}

func TestAnInvalidNameIsRefused(t *testing.T) {
	admin := newAdmin(t)
	for _, name := range []string{"", ".", "..", "a b", "a/b", "ä", strings.Repeat("x", 250)} {
		if _, err := admin.CreateTopic(within(t), 1, 1, nil, name); !errors.Is(err, kerr.InvalidTopicException) {
			t.Errorf("%q: wanted INVALID_TOPIC_EXCEPTION, got %v", name, err)
		}
	}
	longest := (unusedName("longest") + strings.Repeat("x", 249))[:249]
	if _, err := admin.CreateTopic(within(t), 1, 1, nil, longest); err != nil {
		t.Errorf("a name of 249 characters: %v", err)
	}
}

func TestImpossiblePartitionAndReplicaCountsAreRefused(t *testing.T) {
	admin := newAdmin(t)
	if _, err := admin.CreateTopic(within(t), 0, 1, nil, unusedName("no-partitions")); !errors.Is(err, kerr.InvalidPartitions) {
		t.Errorf("wanted INVALID_PARTITIONS, got %v", err)
	}
	if _, err := admin.CreateTopic(within(t), 1, 1000, nil, unusedName("replicas")); !errors.Is(err, kerr.InvalidReplicationFactor) {
		t.Errorf("wanted INVALID_REPLICATION_FACTOR, got %v", err)
	}
	defaults, err := admin.CreateTopic(within(t), -1, -1, nil, unusedName("defaults"))
	if err != nil || defaults.NumPartitions < 1 || defaults.ReplicationFactor != 1 {
		t.Errorf("%+v, %v", defaults, err)
	}
}

func TestAValidatedTopicIsNotCreated(t *testing.T) {
	topic := unusedName("validated")
	responses, err := newAdmin(t).ValidateCreateTopics(within(t), 1, 1, nil, topic)
	if err != nil || responses[topic].Err != nil {
		t.Fatal(err, responses)
	}
	wantGone(t, topic)
}

func TestAnUnknownTopicIsAnError(t *testing.T) {
	topic := unusedName("unknown")
	err := newClient(t).ProduceSync(within(t), &kgo.Record{Topic: topic, Value: []byte("v")}).FirstErr()
	if !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("produce: wanted UNKNOWN_TOPIC_OR_PARTITION, got %v", err)
	}
	wantGone(t, topic)
}

func TestATopicIsCreatedByAClientThatAsksForIt(t *testing.T) {
	topic := unusedName("automatic")
	send(t, newClient(t, kgo.AllowAutoTopicCreation()), &kgo.Record{Topic: topic, Value: []byte("first")})
	total := 0
	for _, records := range readAll(t, topic) {
		total += len(records)
	}
	if total != 1 {
		t.Errorf("%d records", total)
	}
}

func TestATopicCreatedAgainIsEmptyAndHasANewId(t *testing.T) {
	admin, topic := newAdmin(t), newTopic(t, "again", 1)
	before, err := admin.ListTopics(within(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	client := newClient(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	send(t, client, numbered(topic, 0, 100)...)
	wantNumbered(t, take(t, client, 100), 0)

	if _, err := admin.DeleteTopic(within(t), topic); err != nil {
		t.Fatal(err)
	}
	wantGone(t, topic)
	again, err := admin.CreateTopic(within(t), 1, 1, nil, topic)
	if err != nil {
		t.Fatal(err)
	}
	if again.ID == before[topic].ID {
		t.Error("the new topic has the id of the old one")
	}
	ends, err := newAdmin(t).ListEndOffsets(within(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	if end, _ := ends.Lookup(topic, 0); end.Err != nil || end.Offset != 0 {
		t.Errorf("the new topic ends at %+v", end)
	}

	// franz-go never goes over to a new id by itself: it reports UNKNOWN_TOPIC_ID until the topic is purged.
	for ctx := within(t); ; {
		fetches := client.PollFetches(ctx)
		if len(fetches.Records()) > 0 {
			t.Fatal("the old consumer got records")
		}
		if errors.Is(fetches.Err0(), kerr.UnknownTopicID) || anyError(fetches, kerr.UnknownTopicID) {
			break
		}
		if ctx.Err() != nil {
			t.Fatal("the old consumer did not learn that its topic is gone")
		}
	}
	client.PurgeTopicsFromClient(topic)
	send(t, client, numbered(topic, 0, 10)...)
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}})
	wantNumbered(t, take(t, client, 10), 0)
	wantNumbered(t, readAll(t, topic)[0], 0)
}

func anyError(fetches kgo.Fetches, wanted error) bool {
	for _, failure := range fetches.Errors() {
		if errors.Is(failure.Err, wanted) {
			return true
		}
	}
	return false
}

func TestTheClusterDescribesItself(t *testing.T) {
	admin := newAdmin(t)
	metadata, err := admin.BrokerMetadata(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(metadata.Brokers) != 1 || metadata.Cluster == "" || metadata.Controller != metadata.Brokers[0].NodeID {
		t.Errorf("metadata %+v", metadata)
	}
	described, err := kmsg.NewPtrDescribeClusterRequest().RequestWith(within(t), newClient(t))
	if err != nil || described.ErrorCode != 0 {
		t.Fatal(err, described)
	}
	if described.ClusterID != metadata.Cluster || len(described.Brokers) != 1 || described.ControllerID != metadata.Controller {
		t.Errorf("described %+v", described)
	}
	// Kafka itself answers COORDINATOR_NOT_AVAILABLE until its offsets topic exists.
	ctx := within(t)
	coordinators := admin.FindGroupCoordinators(ctx, "a", "b")
	for errors.Is(coordinators.Error(), kerr.CoordinatorNotAvailable) && ctx.Err() == nil {
		coordinators = admin.FindGroupCoordinators(ctx, "a", "b")
	}
	for group, found := range coordinators {
		if found.Err != nil || found.NodeID != metadata.Controller {
			t.Errorf("coordinator of %s: %+v", group, found)
		}
	}
	if len(coordinators) != 2 {
		t.Errorf("%d coordinators", len(coordinators))
	}
}

func TestTheEndOfALeaderEpochIsKnown(t *testing.T) {
	topic := newTopic(t, "epoch", 1)
	send(t, newClient(t), numbered(topic, 0, 10)...)
	admin := newAdmin(t)
	ends, err := admin.ListEndOffsets(within(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup(topic, 0)
	read := take(t, consumer(t, topic, 0, kgo.NewOffset().AtStart()), 10)
	request := kadm.OffsetForLeaderEpochRequest{}
	request.Add(topic, 0, read[9].LeaderEpoch)
	epochs, err := admin.OffsetForLeaderEpoch(within(t), request)
	if err != nil {
		t.Fatal(err)
	}
	found := epochs[topic][0]
	if found.Err != nil || found.EndOffset != 10 || found.LeaderEpoch != read[9].LeaderEpoch || end.LeaderEpoch != read[9].LeaderEpoch {
		t.Errorf("wanted the end 10 of epoch %d, got %+v; listed %+v", read[9].LeaderEpoch, found, end)
	}
}
