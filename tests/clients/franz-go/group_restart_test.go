package franzgo

import (
	"errors"
	"maps"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestAGroupWorksThroughKillsWithoutARebalanceAndWithoutAGap(t *testing.T) {
	g := newGroup(t, "group-restart", restartPartitions)
	members := []*member{g.join(t, true), g.join(t, true), g.join(t, true)}
	g.settled(t, members...)
	generation := members[0].generation()
	rebalances := map[*member]int{}
	g.see(func() {
		for _, m := range members {
			rebalances[m] = m.rebalances
		}
	})

	produced := stream{
		client: newClient(t, kgo.RecordPartitioner(kgo.ManualPartitioner())),
		topic:  g.topic, offsets: map[int32]map[int64]string{},
	}
	for partition := range int32(restartPartitions) {
		produced.offsets[partition] = map[int64]string{}
	}
	stop, sent := make(chan struct{}), make(chan int, 1)
	go func() { sent <- produced.run(t, stop) }()
	produced.waitForMore(t, 500)
	admin := newAdmin(t)
	for range 3 {
		confirmed := map[int32]int64{}
		g.see(func() {
			for _, m := range members {
				maps.Copy(confirmed, m.committed)
			}
		})
		if err := restartBroker(); err != nil {
			t.Fatalf("restart: %v", err)
		}
		found, err := admin.FetchOffsets(within(t), g.name)
		if err != nil {
			t.Fatalf("offsets after a restart: %v", err)
		}
		for partition, offset := range confirmed {
			if at, _ := found.Lookup(g.topic, partition); at.Err != nil || at.At < offset {
				t.Errorf("partition %d: %d was confirmed as committed, after the restart it is %+v", partition, offset, at)
			}
		}
		produced.waitForMore(t, 500)
	}
	close(stop)
	total := <-sent
	for _, failure := range produced.failures {
		t.Errorf("produce: %v", failure)
	}
	g.until(t, "every record is processed", func() bool { return g.total >= total })
	g.see(func() {
		for partition, confirmed := range produced.offsets {
			for offset := range confirmed {
				if g.processed[partition][offset] == 0 {
					t.Errorf("%d/%d is confirmed and was not processed", partition, offset)
				}
			}
		}
		for _, m := range members {
			if m.rebalances != rebalances[m] {
				t.Errorf("a member was rebalanced %d times", m.rebalances-rebalances[m])
			}
			for _, failure := range m.failures {
				// That the broker was away may be reported; an error from the broker, or lost data, may not.
				var fromBroker *kerr.Error
				var lost *kgo.ErrDataLoss
				if errors.As(failure, &fromBroker) || errors.As(failure, &lost) {
					t.Errorf("poll: %v", failure)
				}
			}
		}
	})
	for _, m := range members {
		if m.generation() != generation {
			t.Errorf("generation %d became %d", generation, m.generation())
		}
	}

	// A member that comes when all have left begins where they were.
	for _, m := range members {
		m.leave()
	}
	late := g.join(t, true)
	g.settled(t, late)
	g.sendRound(t, 10*restartPartitions)
	g.until(t, "the new records are processed", func() bool { return g.total >= total+10*restartPartitions })
	g.see(func() {
		for partition, offsets := range g.processed {
			for offset, times := range offsets {
				if times != 1 {
					t.Errorf("%d/%d was processed %d times though no member was lost", partition, offset, times)
				}
			}
		}
	})
}
