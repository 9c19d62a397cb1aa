package franzgo

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func numbered(topic string, from, upto int) []*kgo.Record {
	var records []*kgo.Record
	for at := from; at < upto; at++ {
		records = append(records, &kgo.Record{Topic: topic, Value: fmt.Appendf(nil, "value %d", at)})
	}
	return records
}

func wantNumbered(t *testing.T, records []*kgo.Record, from int) {
	t.Helper()
	for at, record := range records {
		want := fmt.Sprintf("value %d", from+at)
		if record.Offset != int64(from+at) || string(record.Value) != want {
			t.Fatalf("wanted %q at offset %d, got %q at %d", want, from+at, record.Value, record.Offset)
		}
	}
}

func TestAConsumerReadsFromTheBeginning(t *testing.T) {
	topic := newTopic(t, "beginning", 1)
	send(t, newClient(t), numbered(topic, 0, 500)...)
	wantNumbered(t, take(t, consumer(t, topic, 0, kgo.NewOffset().AtStart()), 500), 0)
}

func TestAConsumerReadsFromAnOffset(t *testing.T) {
	topic := newTopic(t, "offset", 1)
	sendAsOneBatch(t, numbered(topic, 0, 100))
	send(t, newClient(t), numbered(topic, 100, 150)...)
	for _, from := range []int{0, 57, 99, 100, 149} {
		wantNumbered(t, take(t, consumer(t, topic, 0, kgo.NewOffset().At(int64(from))), 150-from), from)
	}
}

func TestAConsumerReadsFromTheEnd(t *testing.T) {
	topic := newTopic(t, "end", 1)
	send(t, newClient(t), numbered(topic, 0, 50)...)
	waiting := newFetchWatch()
	client := consumer(t, topic, 0, kgo.NewOffset().AtEnd(), kgo.WithHooks(waiting))
	waiting.wait(t)
	send(t, newClient(t), numbered(topic, 50, 51)...)
	wantNumbered(t, take(t, client, 1), 50)
}

func TestAConsumerBeyondTheEndIsResetAsItsSettingsSay(t *testing.T) {
	topic := newTopic(t, "beyond", 1)
	send(t, newClient(t), numbered(topic, 0, 10)...)
	wantNumbered(t, take(t, consumer(t, topic, 0, kgo.NewOffset().At(1000), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())), 10), 0)
}

func TestAnEmptyTopicsConsumerGetsTheFirstRecordAtOnce(t *testing.T) {
	topic := newTopic(t, "long-poll", 1)
	waiting := newFetchWatch()
	client := consumer(t, topic, 0, kgo.NewOffset().AtStart(), kgo.WithHooks(waiting))
	waiting.wait(t)
	sent := time.Now()
	send(t, newClient(t), numbered(topic, 0, 1)...)
	wantNumbered(t, take(t, client, 1), 0)
	// A fetch of this client waits up to 5 s for data: less means that the record woke it.
	if took := time.Since(sent); took > 2500*time.Millisecond {
		t.Fatalf("the record came after %v", took)
	}
}

func TestATimestampLeadsToTheFirstRecordAtOrAfterIt(t *testing.T) {
	topic := newTopic(t, "timestamp", 1)
	const day = 1_700_000_000_000
	batch := func(from int, millis ...int64) []*kgo.Record {
		records := numbered(topic, from, from+len(millis))
		for at := range records {
			records[at].Timestamp = time.UnixMilli(day + millis[at])
		}
		return records
	}
	sendAsOneBatch(t, batch(0, 0, 1000, 2000, 3000, 4000))
	sendAsOneBatch(t, batch(5, 10_000, 50_000, 20_000, 70_000))
	sendAsOneBatch(t, batch(9, 60_000, 80_000), kgo.ProducerBatchCompression(kgo.NoCompression()))

	admin := newAdmin(t)
	for _, lookup := range []struct{ millis, offset, found int64 }{
		{-5, 0, 0}, {0, 0, 0}, {1, 1, 1000}, {2000, 2, 2000}, {3999, 4, 4000}, // inside the first batch
		{4001, 5, 10_000},                        // between two batches
		{10_001, 6, 50_000}, {50_001, 8, 70_000}, // out of order inside the second batch
		{70_001, 10, 80_000}, {80_000, 10, 80_000},
	} {
		listed, err := admin.ListOffsetsAfterMilli(within(t), day+lookup.millis, topic)
		if err != nil {
			t.Fatal(err)
		}
		found, _ := listed.Lookup(topic, 0)
		if found.Err != nil || found.Offset != lookup.offset || found.Timestamp != day+lookup.found {
			t.Errorf("%d: wanted offset %d at %d, got %+v", lookup.millis, lookup.offset, lookup.found, found)
		}
		records := take(t, consumer(t, topic, 0, kgo.NewOffset().AfterMilli(day+lookup.millis)), 11-int(lookup.offset))
		wantNumbered(t, records, int(lookup.offset))
	}

	// kadm turns "no such record" into the end offset with timestamp -1.
	listed, err := admin.ListOffsetsAfterMilli(within(t), day+80_001, topic)
	if err != nil {
		t.Fatal(err)
	}
	if beyond, _ := listed.Lookup(topic, 0); beyond.Err != nil || beyond.Offset != 11 || beyond.Timestamp != -1 {
		t.Errorf("beyond the newest record: %+v", beyond)
	}
	waiting := newFetchWatch()
	client := consumer(t, topic, 0, kgo.NewOffset().AfterMilli(day+80_001), kgo.WithHooks(waiting))
	waiting.wait(t)
	send(t, newClient(t), numbered(topic, 11, 12)...)
	wantNumbered(t, take(t, client, 1), 11)
}

func TestTheOffsetOfTheNewestTimestampIsFound(t *testing.T) {
	topic := newTopic(t, "max-timestamp", 1)
	records := numbered(topic, 0, 4)
	for at, millis := range []int64{10, 50, 20, 50} {
		records[at].Timestamp = time.UnixMilli(1_700_000_000_000 + millis)
	}
	sendAsOneBatch(t, records)
	listed, err := newAdmin(t).ListMaxTimestampOffsets(within(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	if found, _ := listed.Lookup(topic, 0); found.Err != nil || found.Offset != 1 || found.Timestamp != 1_700_000_000_050 {
		t.Fatalf("wanted offset 1, got %+v", found)
	}
}

// fetchWatch tells when the client has sent a fetch, which then waits at the broker if there is no data.
type fetchWatch struct {
	once sync.Once
	sent chan struct{}
}

func newFetchWatch() *fetchWatch { return &fetchWatch{sent: make(chan struct{})} }

func (w *fetchWatch) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if key == kmsg.Fetch.Int16() && err == nil {
		w.once.Do(func() { close(w.sent) })
	}
}

func (w *fetchWatch) wait(t *testing.T) {
	t.Helper()
	select {
	case <-w.sent:
	case <-within(t).Done():
		t.Fatal("the client sent no fetch")
	}
}
