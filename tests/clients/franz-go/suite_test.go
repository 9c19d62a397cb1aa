// Package franzgo drives a running broker with the unmodified franz-go client at its default settings.
// A test changes a setting only where the setting is what it tests.
package franzgo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// patience bounds every wait; nothing in the suite sleeps for a fixed time.
const patience = 60 * time.Second

var (
	bootstrap = os.Getenv("EVENKEEL_BOOTSTRAP")
	started   = time.Now().UnixMilli()
	random    *rand.Rand
)

func TestMain(m *testing.M) {
	if bootstrap == "" {
		fmt.Fprintln(os.Stderr, "EVENKEEL_BOOTSTRAP is not set")
		os.Exit(2)
	}
	seed := uint64(started)
	if given := os.Getenv("EVENKEEL_SEED"); given != "" {
		parsed, err := strconv.ParseUint(given, 10, 64)
		if err != nil {
			fmt.Fprintln(os.Stderr, "EVENKEEL_SEED:", err)
			os.Exit(2)
		}
		seed = parsed
	}
	fmt.Printf("seed %d (EVENKEEL_SEED=%d repeats it)\n", seed, seed)
	random = rand.New(rand.NewPCG(seed, 0))
	os.Exit(m.Run())
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func newClient(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(bootstrap)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func newAdmin(t *testing.T) *kadm.Client {
	t.Helper()
	return kadm.NewClient(newClient(t))
}

// unusedName is new in each run, so that a suite can run again on a broker that keeps its topics.
func unusedName(about string) string {
	return fmt.Sprintf("franz-go-%s-%x", about, started)
}

func newTopic(t *testing.T, about string, partitions int32) string {
	t.Helper()
	topic := unusedName(about)
	if _, err := newAdmin(t).CreateTopic(within(t), partitions, 1, nil, topic); err != nil {
		t.Fatalf("create %s: %v", topic, err)
	}
	return topic
}

func send(t *testing.T, client *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	if err := client.ProduceSync(within(t), records...).FirstErr(); err != nil {
		t.Fatalf("produce: %v", err)
	}
}

// sendAsOneBatch fills a buffer and flushes it, and proves that the client wrote one batch.
func sendAsOneBatch(t *testing.T, records []*kgo.Record, opts ...kgo.Opt) {
	t.Helper()
	batches := &batchSizes{}
	client := newClient(t, append(opts, kgo.ManualFlushing(), kgo.WithHooks(batches))...)
	failed := make(chan error, len(records))
	for _, record := range records {
		client.Produce(within(t), record, func(_ *kgo.Record, err error) {
			if err != nil {
				failed <- err
			}
		})
	}
	if err := client.Flush(within(t)); err != nil {
		t.Fatalf("flush: %v", err)
	}
	select {
	case err := <-failed:
		t.Fatalf("produce: %v", err)
	default:
	}
	client.Close()
	if len(batches.written) != 1 || batches.written[0].NumRecords != len(records) {
		t.Fatalf("wanted one batch of %d records, wrote %+v", len(records), batches.written)
	}
}

type batchSizes struct{ written []kgo.ProduceBatchMetrics }

func (b *batchSizes) OnProduceBatchWritten(_ kgo.BrokerMetadata, _ string, _ int32, batch kgo.ProduceBatchMetrics) {
	b.written = append(b.written, batch)
}

func consumer(t *testing.T, topic string, partition int32, from kgo.Offset, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	assignment := map[string]map[int32]kgo.Offset{topic: {partition: from}}
	return newClient(t, append(opts, kgo.ConsumePartitions(assignment))...)
}

// take polls until `count` records have come; it fails on any error the client reports, and on records too many.
func take(t *testing.T, client *kgo.Client, count int) []*kgo.Record {
	t.Helper()
	ctx := within(t)
	var taken []*kgo.Record
	for len(taken) < count {
		fetches := client.PollFetches(ctx)
		for _, failure := range fetches.Errors() {
			t.Fatalf("after %d of %d records: %s/%d: %v", len(taken), count, failure.Topic, failure.Partition, failure.Err)
		}
		taken = append(taken, fetches.Records()...)
	}
	if len(taken) != count {
		t.Fatalf("wanted %d records, got %d", count, len(taken))
	}
	return taken
}

// readAll reads every partition from its beginning to its end as the broker states it, by a fresh consumer.
func readAll(t *testing.T, topic string) map[int32][]*kgo.Record {
	t.Helper()
	ends, err := newAdmin(t).ListEndOffsets(within(t), topic)
	if err != nil {
		t.Fatalf("end offsets: %v", err)
	}
	total := 0
	assignment := map[int32]kgo.Offset{}
	ends.Each(func(end kadm.ListedOffset) {
		if end.Err != nil {
			t.Fatalf("end offset of %s/%d: %v", topic, end.Partition, end.Err)
		}
		total += int(end.Offset)
		assignment[end.Partition] = kgo.NewOffset().AtStart()
	})
	client := newClient(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: assignment}))
	read := map[int32][]*kgo.Record{}
	for _, record := range take(t, client, total) {
		if record.Offset != int64(len(read[record.Partition])) {
			t.Fatalf("partition %d: offset %d follows %d records", record.Partition, record.Offset, len(read[record.Partition]))
		}
		read[record.Partition] = append(read[record.Partition], record)
	}
	return read
}

// randomBytes do not compress.
func randomBytes(size int) []byte {
	bytes := make([]byte, size)
	for at := range bytes {
		bytes[at] = byte(random.Uint32())
	}
	return bytes
}

func restartBroker() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, "bash", "-c", os.Getenv("EVENKEEL_RESTART"))
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	return command.Run()
}
