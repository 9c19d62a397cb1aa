package franzgo

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestKeysValuesHeadersAndTimestampsComeBackUnchanged(t *testing.T) {
	topic := newTopic(t, "unchanged", 1)
	at := func(millis int64) time.Time { return time.UnixMilli(1_700_000_000_000 + millis) }
	sent := []*kgo.Record{
		{Key: []byte("key"), Value: []byte("value"), Timestamp: at(0)},
		{Key: nil, Value: []byte("no key"), Timestamp: at(5)},
		{Key: []byte{}, Value: []byte("empty key"), Timestamp: at(3)},
		{Key: []byte("tombstone"), Value: nil, Timestamp: at(7)},
		{Key: []byte("empty value"), Value: []byte{}, Timestamp: at(7)},
		{Key: randomBytes(300), Value: randomBytes(3000), Timestamp: at(8)},
		{Key: []byte("headers"), Value: []byte("v"), Timestamp: at(9), Headers: []kgo.RecordHeader{
			{Key: "twice", Value: []byte("1")},
			{Key: "other", Value: []byte{0, 255}},
			{Key: "twice", Value: []byte("2")},
			{Key: "null", Value: nil},
			{Key: "empty", Value: []byte{}},
			{Key: "", Value: []byte("empty header key")},
			{Key: "grün", Value: []byte("größer")},
		}},
	}
	for _, record := range sent {
		record.Topic = topic
	}
	send(t, newClient(t), sent...)
	for at, got := range take(t, consumer(t, topic, 0, kgo.NewOffset().AtStart()), len(sent)) {
		want := sent[at]
		if !same(got.Key, want.Key) || !same(got.Value, want.Value) || !got.Timestamp.Equal(want.Timestamp) {
			t.Errorf("record %d: wanted %v, got %v", at, want, got)
		}
		if !slices.EqualFunc(got.Headers, want.Headers, func(a, b kgo.RecordHeader) bool { return a.Key == b.Key && same(a.Value, b.Value) }) {
			t.Errorf("record %d: wanted headers %v, got %v", at, want.Headers, got.Headers)
		}
	}
}

// same tells null from empty.
func same(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func TestEveryCodecCarriesManyRecordsPerBatch(t *testing.T) {
	for at, codec := range []kgo.CompressionCodec{
		kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression(),
	} {
		name := []string{"none", "gzip", "snappy", "lz4", "zstd"}[at]
		t.Run(name, func(t *testing.T) {
			topic := newTopic(t, "codec-"+name, 1)
			batches := &batchSizes{}
			client := newClient(t, kgo.ProducerBatchCompression(codec), kgo.WithHooks(batches))
			send(t, client, numbered(topic, 0, 5000)...)
			client.Close()
			wantNumbered(t, take(t, consumer(t, topic, 0, kgo.NewOffset().AtStart()), 5000), 0)
			largest := 0
			for _, batch := range batches.written {
				largest = max(largest, batch.NumRecords)
				if int(batch.CompressionType) != at && batch.NumRecords > 100 {
					t.Errorf("a batch of %d records has codec %d", batch.NumRecords, batch.CompressionType)
				}
			}
			if largest < 100 {
				t.Errorf("the largest batch has %d records", largest)
			}
		})
	}
}

func TestRecordsOfNearlyAMegabyteFit(t *testing.T) {
	topic := newTopic(t, "large", 1)
	client := newClient(t)
	var sent [][]byte
	for range 8 {
		sent = append(sent, randomBytes(990_000+random.IntN(9_000)))
	}
	for _, value := range sent {
		send(t, client, &kgo.Record{Topic: topic, Value: value})
	}
	for at, record := range take(t, consumer(t, topic, 0, kgo.NewOffset().AtStart()), len(sent)) {
		if !bytes.Equal(record.Value, sent[at]) {
			t.Errorf("record %d differs", at)
		}
	}
}

func TestATooLargeBatchIsRefusedToTheByteAndHarmsNoOther(t *testing.T) {
	// max.message.bytes is 1048588 unless set. A batch has a head of 61 bytes; a record with a value of this size and
	// nothing else adds 11: length 3, attributes, timestamp and offset deltas, and key length 1 each, value length 3, headers 1.
	const fits = 1048588 - 61 - 11
	for _, idempotent := range []bool{true, false} {
		t.Run(fmt.Sprintf("idempotent=%v", idempotent), func(t *testing.T) {
			topic := newTopic(t, fmt.Sprintf("too-large-%v", idempotent), 1)
			opts := []kgo.Opt{kgo.ProducerBatchMaxBytes(4 << 20), kgo.ProducerBatchCompression(kgo.NoCompression())}
			if !idempotent {
				opts = append(opts, kgo.DisableIdempotentWrite())
			}
			client := newClient(t, opts...)
			send(t, client, &kgo.Record{Topic: topic, Value: []byte("before")})
			for _, size := range []int{fits + 1, 2_000_000} {
				err := client.ProduceSync(within(t), &kgo.Record{Topic: topic, Value: randomBytes(size)}).FirstErr()
				if !errors.Is(err, kerr.MessageTooLarge) {
					t.Fatalf("a value of %d bytes: wanted MESSAGE_TOO_LARGE, got %v", size, err)
				}
			}
			largest := randomBytes(fits)
			send(t, client, &kgo.Record{Topic: topic, Value: largest})
			send(t, client, &kgo.Record{Topic: topic, Value: []byte("after")})
			read := readAll(t, topic)[0]
			if len(read) != 3 || string(read[0].Value) != "before" || !bytes.Equal(read[1].Value, largest) || string(read[2].Value) != "after" {
				t.Fatalf("read %d records", len(read))
			}
		})
	}
}

func TestEachLevelOfAcksDeliversInOrder(t *testing.T) {
	for _, level := range []struct {
		name string
		opts []kgo.Opt
	}{
		{"idempotent-all", nil},
		{"all", []kgo.Opt{kgo.RequiredAcks(kgo.AllISRAcks()), kgo.DisableIdempotentWrite()}},
		{"leader", []kgo.Opt{kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite()}},
		{"none", []kgo.Opt{kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite()}},
	} {
		t.Run(level.name, func(t *testing.T) {
			topic := newTopic(t, "acks-"+level.name, 1)
			client := newClient(t, level.opts...)
			for from := 0; from < 1000; from += 100 {
				send(t, client, numbered(topic, from, from+100)...)
			}
			// Without acks nothing says when the records are there: the consumer waits for them.
			wantNumbered(t, take(t, consumer(t, topic, 0, kgo.NewOffset().AtStart()), 1000), 0)
		})
	}
}

func TestAHundredPartitionsKeepCountAndOrder(t *testing.T) {
	const partitions, each = 100, 50
	topic := newTopic(t, "hundred", partitions)
	client := newClient(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	var records []*kgo.Record
	for at := range each {
		for partition := range int32(partitions) {
			records = append(records, &kgo.Record{Topic: topic, Partition: partition, Value: fmt.Appendf(nil, "%d of %d", at, partition)})
		}
	}
	send(t, client, records...)
	read := readAll(t, topic)
	if len(read) != partitions {
		t.Fatalf("%d partitions have records", len(read))
	}
	for partition, records := range read {
		if len(records) != each {
			t.Fatalf("partition %d has %d records", partition, len(records))
		}
		for at, record := range records {
			if want := fmt.Sprintf("%d of %d", at, partition); string(record.Value) != want {
				t.Fatalf("wanted %q, got %q", want, record.Value)
			}
		}
	}
}
