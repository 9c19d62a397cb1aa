package franzgo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const restartPartitions = 3

// stream produces numbered records without a pause, with a bounded number in flight, and keeps what was confirmed.
type stream struct {
	client    *kgo.Client
	topic     string
	confirmed counter
	mutex     sync.Mutex
	offsets   map[int32]map[int64]string // by partition: the confirmed offset and the value
	failures  []error
}

func (s *stream) run(t *testing.T, stop <-chan struct{}) (sent int) {
	room := make(chan struct{}, 100)
	for {
		select {
		case <-stop:
			if err := s.client.Flush(within(t)); err != nil {
				t.Errorf("flush: %v", err)
			}
			return sent
		case room <- struct{}{}:
		}
		record := &kgo.Record{
			Topic: s.topic, Partition: int32(sent % restartPartitions),
			Value: fmt.Appendf(nil, "%08d %x", sent, randomBytes(random.IntN(100))),
		}
		sent++
		s.client.Produce(context.Background(), record, func(record *kgo.Record, err error) {
			s.mutex.Lock()
			defer s.mutex.Unlock()
			if err != nil {
				s.failures = append(s.failures, err)
			} else {
				if earlier, taken := s.offsets[record.Partition][record.Offset]; taken {
					s.failures = append(s.failures, fmt.Errorf("offset %d confirmed for %q and %q", record.Offset, earlier, record.Value))
				}
				s.offsets[record.Partition][record.Offset] = string(record.Value)
			}
			s.confirmed.add(1)
			<-room
		})
	}
}

// counter only grows; a waiter sleeps until it has reached a value or the context ends.
type counter struct {
	mutex sync.Mutex
	value int
	moved chan struct{}
}

func (c *counter) add(count int) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.value += count
	if c.moved != nil {
		close(c.moved)
		c.moved = nil
	}
}

func (c *counter) now() int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.value
}

func (c *counter) reach(ctx context.Context, target int) error {
	for {
		c.mutex.Lock()
		value := c.value
		if c.moved == nil {
			c.moved = make(chan struct{})
		}
		moved := c.moved
		c.mutex.Unlock()
		if value >= target {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("reached %d of %d: %w", value, target, context.Cause(ctx))
		}
	}
}

func (s *stream) waitForMore(t *testing.T, count int) {
	t.Helper()
	if err := s.confirmed.reach(within(t), s.confirmed.now()+count); err != nil {
		t.Fatalf("confirmed records: %v", err)
	}
}

func TestEveryConfirmedRecordIsThereExactlyOnceAfterAKill(t *testing.T) {
	topic := newTopic(t, "restart", restartPartitions)

	// This consumer runs from before the restart to the end and is never made anew.
	assignment := map[int32]kgo.Offset{}
	for partition := range int32(restartPartitions) {
		assignment[partition] = kgo.NewOffset().AtStart()
	}
	running := newClient(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: assignment}))
	var seen counter
	polled := map[int32][]*kgo.Record{}
	polling, stopPolling := context.WithCancelCause(within(t))
	pollerDone := make(chan struct{})
	go func() {
		defer close(pollerDone)
		for {
			fetches := running.PollFetches(polling)
			if polling.Err() != nil {
				return
			}
			for _, failure := range fetches.Errors() {
				// That the broker was away may be reported; an error from the broker, or lost data, may not.
				var fromBroker *kerr.Error
				var lost *kgo.ErrDataLoss
				if errors.As(failure.Err, &fromBroker) || errors.As(failure.Err, &lost) {
					stopPolling(failure.Err)
					return
				}
			}
			for _, record := range fetches.Records() {
				polled[record.Partition] = append(polled[record.Partition], record)
			}
			seen.add(fetches.NumRecords())
		}
	}()

	produced := &stream{client: newClient(t, kgo.RecordPartitioner(kgo.ManualPartitioner())), topic: topic, offsets: map[int32]map[int64]string{}}
	for partition := range int32(restartPartitions) {
		produced.offsets[partition] = map[int64]string{}
	}
	stop, sent := make(chan struct{}), make(chan int, 1)
	go func() { sent <- produced.run(t, stop) }()

	produced.waitForMore(t, 2000)
	if err := restartBroker(); err != nil {
		t.Fatalf("restart: %v", err)
	}
	produced.waitForMore(t, 2000)
	close(stop)
	total := <-sent
	for _, failure := range produced.failures {
		t.Errorf("produce: %v", failure)
	}

	read := readAll(t, topic)
	found := 0
	for partition, records := range read {
		found += len(records)
		number := int(partition)
		for _, record := range records {
			if confirmed := produced.offsets[partition][record.Offset]; confirmed != string(record.Value) {
				t.Fatalf("partition %d offset %d holds %q, confirmed was %q", partition, record.Offset, record.Value, confirmed)
			}
			if want := fmt.Sprintf("%08d ", number); string(record.Value[:9]) != want {
				t.Fatalf("partition %d offset %d: wanted %q next, got %q", partition, record.Offset, want, record.Value)
			}
			number += restartPartitions
		}
	}
	if found != total {
		t.Errorf("sent %d records, found %d", total, found)
	}

	if err := seen.reach(polling, total); err != nil {
		t.Errorf("the running consumer: %v", err)
	}
	stopPolling(nil)
	<-pollerDone
	for partition, records := range read {
		if !slices.EqualFunc(records, polled[partition], func(a, b *kgo.Record) bool {
			return a.Offset == b.Offset && string(a.Value) == string(b.Value)
		}) {
			t.Errorf("partition %d: the running consumer saw %d records, the log holds %d", partition, len(polled[partition]), len(records))
		}
	}
	t.Logf("%d records sent and confirmed", total)
}
