package franzgo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// group is a consumer group of one topic as its members see it. It notes who owns each partition, what was processed,
// and what must not happen.
type group struct {
	mutex      sync.Mutex
	moved      chan struct{} // closed at the next change, if someone waits
	name       string
	topic      string
	partitions int
	owners     map[int32]*member
	processed  map[int32]map[int64]int // how often, by partition and offset
	total      int                     // distinct records processed
	faults     []string
}

// member is one client of a group, which polls until it is closed.
type member struct {
	group      *group
	client     *kgo.Client
	owns       map[int32]bool
	rebalances int // calls of any of the three callbacks
	failures   []error
	commits    bool            // after each poll, instead of by the client's timer
	committed  map[int32]int64 // as confirmed by the broker
	stop       context.CancelFunc
	done       chan struct{}
}

func newGroup(t *testing.T, about string, partitions int32) *group {
	t.Helper()
	g := &group{
		name: unusedName(about), topic: newTopic(t, about, partitions), partitions: int(partitions),
		owners: map[int32]*member{}, processed: map[int32]map[int64]int{},
	}
	t.Cleanup(func() {
		for _, fault := range g.faults {
			t.Error(fault)
		}
	})
	return g
}

// change runs f alone and wakes who waits.
func (g *group) change(f func()) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	f()
	if g.moved != nil {
		close(g.moved)
		g.moved = nil
	}
}

// until waits for a condition, which is looked at after each change.
func (g *group) until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for ctx := within(t); ; {
		g.mutex.Lock()
		if holds() {
			g.mutex.Unlock()
			return
		}
		if g.moved == nil {
			g.moved = make(chan struct{})
		}
		moved, state := g.moved, g.state()
		g.mutex.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			t.Fatalf("not within %v: %s; %s", patience, what, state)
		}
	}
}

func (g *group) state() string {
	owned := map[*member]int{}
	for _, owner := range g.owners {
		owned[owner]++
	}
	return fmt.Sprintf("%d of %d partitions owned, by %d members; %d records processed; faults %v",
		len(g.owners), g.partitions, len(owned), g.total, g.faults)
}

func (g *group) see(f func()) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	f()
}

// join starts a member. It is closed with the test, or by its `leave`.
func (g *group) join(t *testing.T, commits bool, opts ...kgo.Opt) *member {
	t.Helper()
	m := &member{group: g, owns: map[int32]bool{}, commits: commits, committed: map[int32]int64{}, done: make(chan struct{})}
	opts = append(opts,
		kgo.ConsumerGroup(g.name), kgo.ConsumeTopics(g.topic),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, given map[string][]int32) { m.gain(given[g.topic]) }),
		// With a callback of one's own the client does not commit by itself before it gives partitions up.
		kgo.OnPartitionsRevoked(func(ctx context.Context, _ *kgo.Client, taken map[string][]int32) {
			m.commit(ctx)
			m.lose(taken[g.topic])
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, taken map[string][]int32) { m.lose(taken[g.topic]) }),
	)
	if commits {
		opts = append(opts, kgo.DisableAutoCommit())
	}
	m.client = newClient(t, opts...)
	var ctx context.Context
	ctx, m.stop = context.WithCancel(context.Background())
	t.Cleanup(m.leave)
	go m.run(ctx)
	return m
}

func (m *member) run(ctx context.Context) {
	defer close(m.done)
	for {
		fetches := m.client.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		m.group.change(func() {
			for _, failure := range fetches.Errors() {
				m.failures = append(m.failures, failure.Err)
			}
			fetches.EachRecord(func(record *kgo.Record) {
				if m.group.processed[record.Partition] == nil {
					m.group.processed[record.Partition] = map[int64]int{}
				}
				if m.group.processed[record.Partition][record.Offset]++; m.group.processed[record.Partition][record.Offset] == 1 {
					m.group.total++
				}
			})
		})
		if m.commits {
			m.commit(ctx)
		}
	}
}

// commit notes what the broker confirmed. What fails is committed by a later call.
func (m *member) commit(ctx context.Context) {
	if err := m.client.CommitUncommittedOffsets(ctx); err != nil {
		return
	}
	committed := m.client.CommittedOffsets()[m.group.topic]
	m.group.change(func() {
		for partition, at := range committed {
			m.committed[partition] = max(m.committed[partition], at.Offset)
		}
	})
}

func (m *member) gain(partitions []int32) {
	m.group.change(func() {
		m.rebalances++
		for _, partition := range partitions {
			if owner := m.group.owners[partition]; owner != nil {
				m.group.faults = append(m.group.faults, fmt.Sprintf("partition %d has two owners", partition))
			}
			m.group.owners[partition] = m
			m.owns[partition] = true
		}
	})
}

func (m *member) lose(partitions []int32) {
	m.group.change(func() {
		m.rebalances++
		for _, partition := range partitions {
			delete(m.group.owners, partition)
			delete(m.owns, partition)
		}
	})
}

// leave ends the member as its client does by default: a dynamic member leaves its group, a static one stays in it.
func (m *member) leave() {
	m.stop()
	<-m.done
	m.client.Close()
	m.group.change(func() {
		for partition := range m.owns { // a static member is told nothing when it goes
			delete(m.group.owners, partition)
		}
		m.owns = map[int32]bool{}
	})
}

func (m *member) generation() int32 {
	_, generation := m.client.GroupMetadata()
	return generation
}

// settled waits until the members own the partitions evenly and are in one generation, which the broker calls stable.
func (g *group) settled(t *testing.T, members ...*member) {
	t.Helper()
	g.until(t, fmt.Sprintf("%d members own the partitions evenly", len(members)), func() bool {
		for _, m := range members {
			if len(m.owns) < g.partitions/len(members) {
				return false
			}
		}
		return len(g.owners) == g.partitions
	})
	admin, ctx := newAdmin(t), within(t)
	for {
		described, err := admin.DescribeGroups(ctx, g.name)
		if err != nil {
			t.Fatalf("describe %s: %v", g.name, err)
		}
		same := !slices.ContainsFunc(members, func(m *member) bool { return m.generation() != members[0].generation() })
		if same && described[g.name].State == "Stable" && len(described[g.name].Members) == len(members) {
			return
		}
	}
}

// sendRound sends records to all partitions evenly.
func (g *group) sendRound(t *testing.T, count int) {
	t.Helper()
	var records []*kgo.Record
	for at := range count {
		records = append(records, &kgo.Record{Topic: g.topic, Partition: int32(at % g.partitions), Value: fmt.Appendf(nil, "%d", at)})
	}
	send(t, newClient(t, kgo.RecordPartitioner(kgo.ManualPartitioner())), records...)
}

// wantProcessed waits until all records from the offset on are processed, in each partition, each at least once or exactly so.
func (g *group) wantProcessed(t *testing.T, from, upto int64, exactly bool) {
	t.Helper()
	g.until(t, fmt.Sprintf("the records from %d upto %d of each partition are processed", from, upto), func() bool {
		for partition := range int32(g.partitions) {
			for offset := from; offset < upto; offset++ {
				if g.processed[partition][offset] == 0 {
					return false
				}
			}
		}
		return true
	})
	g.see(func() {
		for partition, offsets := range g.processed {
			for offset, times := range offsets {
				if exactly && offset >= from && times != 1 {
					t.Errorf("%d/%d was processed %d times", partition, offset, times)
				}
			}
		}
	})
}

func TestAGroupSharesItsPartitionsAndHandsThemOver(t *testing.T) {
	for _, assignor := range []struct {
		name string
		opts []kgo.Opt
	}{
		{"cooperative-sticky", nil}, // the default
		{"range", []kgo.Opt{kgo.Balancers(kgo.RangeBalancer())}},
		{"round-robin", []kgo.Opt{kgo.Balancers(kgo.RoundRobinBalancer())}},
	} {
		t.Run(assignor.name, func(t *testing.T) {
			t.Parallel()
			g := newGroup(t, "share-"+assignor.name, 6)
			g.sendRound(t, 60)
			first := g.join(t, false, assignor.opts...)
			g.settled(t, first)
			g.wantProcessed(t, 0, 10, true)

			second, third := g.join(t, false, assignor.opts...), g.join(t, false, assignor.opts...)
			g.settled(t, first, second, third)
			g.sendRound(t, 60)
			g.wantProcessed(t, 10, 20, true)
			for _, m := range []*member{first, second, third} {
				g.see(func() {
					if len(m.owns) != 2 || len(m.failures) > 0 {
						t.Errorf("a member owns %v, errors %v", m.owns, m.failures)
					}
				})
			}

			before := first.generation()
			second.leave()
			g.settled(t, first, third)
			if after := first.generation(); after <= before {
				t.Errorf("generation %d follows %d", after, before)
			}
			g.sendRound(t, 60)
			g.wantProcessed(t, 20, 30, true)

			first.leave()
			third.leave()
			// What left has committed all: a member that comes later processes the new records alone.
			g.sendRound(t, 60)
			late := g.join(t, false, assignor.opts...)
			g.settled(t, late)
			g.wantProcessed(t, 30, 40, true)
			g.wantProcessed(t, 0, 40, true)
		})
	}
}

func TestAStaticMemberComesBackWithoutARebalance(t *testing.T) {
	t.Parallel()
	g := newGroup(t, "static", 4)
	one, two := g.join(t, true, kgo.InstanceID("one")), g.join(t, true, kgo.InstanceID("two"))
	g.settled(t, one, two)
	g.sendRound(t, 40)
	g.wantProcessed(t, 0, 10, true)

	var rebalances int
	var owned []int32
	generation := one.generation()
	g.see(func() { rebalances, owned = one.rebalances, slices.Sorted(maps.Keys(two.owns)) })
	two.leave()
	again := g.join(t, true, kgo.InstanceID("two"))
	g.settled(t, one, again)
	g.sendRound(t, 40)
	g.wantProcessed(t, 10, 20, true)
	g.see(func() {
		if one.rebalances != rebalances {
			t.Errorf("the other member was rebalanced %d times", one.rebalances-rebalances)
		}
		if back := slices.Sorted(maps.Keys(again.owns)); !slices.Equal(back, owned) {
			t.Errorf("it owned %v and owns %v", owned, back)
		}
	})
	if one.generation() != generation || again.generation() != generation {
		t.Errorf("generation %d became %d and %d", generation, one.generation(), again.generation())
	}

	// The one that came later keeps the instance id.
	g.see(func() {
		for partition := range again.owns {
			delete(g.owners, partition) // it does not know yet that it is fenced
		}
	})
	third := g.join(t, true, kgo.InstanceID("two"))
	g.until(t, "the earlier member is fenced", func() bool {
		return slices.ContainsFunc(again.failures, func(err error) bool { return errors.Is(err, kerr.FencedInstanceID) })
	})
	g.see(func() {
		if len(third.failures) > 0 || one.rebalances != rebalances {
			t.Errorf("errors %v, the other member was rebalanced %d times", third.failures, one.rebalances-rebalances)
		}
	})
	again.leave()

	// It leaves only if someone says so.
	left, err := newAdmin(t).LeaveGroup(within(t), kadm.LeaveGroup(g.name).InstanceIDs("two"))
	if err != nil || left.Error() != nil {
		t.Fatal(err, left)
	}
}

func TestAMemberThatIsSilentLosesItsPartitions(t *testing.T) {
	t.Parallel()
	g := newGroup(t, "silent", 4)
	session := kgo.SessionTimeout(6_000_000_000) // the least that Kafka allows by default
	stays, silent := g.join(t, true, session), g.join(t, true, session, kgo.InstanceID("silent"))
	g.settled(t, stays, silent)
	g.sendRound(t, 40)
	g.wantProcessed(t, 0, 10, true)
	silent.leave() // a static member does not say that it goes
	g.settled(t, stays)
	g.sendRound(t, 40)
	g.wantProcessed(t, 10, 20, true)
}
