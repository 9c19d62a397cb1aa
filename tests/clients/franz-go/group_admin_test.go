package franzgo

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestGroupsAreListedDescribedAndDeleted(t *testing.T) {
	t.Parallel()
	admin, g := newAdmin(t), newGroup(t, "operated", 4)
	dynamic := g.join(t, true, kgo.ClientID("the client"))
	static := g.join(t, true, kgo.ClientID("another client"), kgo.InstanceID("fixed"))
	g.settled(t, dynamic, static)
	empty := unusedName("operated-empty")
	offsets := kadm.Offsets{}
	offsets.AddOffset(g.topic, 0, 1, -1)
	if err := admin.CommitAllOffsets(within(t), empty, offsets); err != nil {
		t.Fatal(err)
	}

	listed := func(states ...string) kadm.ListedGroups {
		t.Helper()
		groups, err := admin.ListGroups(within(t), states...)
		if err != nil {
			t.Fatal(err)
		}
		return groups
	}
	all := listed()
	if one := all[g.name]; one.State != "Stable" || one.ProtocolType != "consumer" {
		t.Errorf("listed %+v", one)
	}
	if one := all[empty]; one.State != "Empty" || one.ProtocolType != "" {
		t.Errorf("listed %+v", one)
	}
	for state, holds := range map[string][2]bool{"Stable": {true, false}, "Empty": {false, true}, "Dead": {}} {
		groups := listed(state)
		_, stable := groups[g.name]
		_, idle := groups[empty]
		if stable != holds[0] || idle != holds[1] {
			t.Errorf("with state %s: %v", state, groups.Groups())
		}
	}
	if classic, err := admin.ListGroupsByType(within(t), []string{"classic"}); err != nil || classic[g.name].Group == "" {
		t.Errorf("classic groups: %v, %v", classic, err)
	}
	if share, err := admin.ListGroupsByType(within(t), []string{"share"}); err != nil || len(share) != 0 {
		t.Errorf("share groups: %v, %v", share, err)
	}

	none := unusedName("no-group")
	described, err := admin.DescribeGroups(within(t), g.name, none)
	if err != nil {
		t.Fatal(err)
	}
	if missing := described[none]; !errors.Is(missing.Err, kerr.GroupIDNotFound) {
		t.Errorf("a group that is not there: %+v", missing)
	}
	group := described[g.name]
	if group.Err != nil || group.State != "Stable" || group.Protocol != "cooperative-sticky" || len(group.Members) != 2 ||
		!slices.Equal(group.JoinTopics(), []string{g.topic}) || len(group.AssignedPartitions()[g.topic]) != 4 {
		t.Errorf("described %+v", group)
	}
	for _, member := range group.Members {
		fixed := member.ClientID == "another client"
		if member.ClientHost != "/127.0.0.1" || (member.InstanceID != nil) != fixed || fixed && *member.InstanceID != "fixed" ||
			!strings.HasPrefix(member.MemberID, map[bool]string{true: "fixed-", false: "the client-"}[fixed]) {
			t.Errorf("member %+v", member)
		}
	}

	deleted, err := admin.DeleteGroups(within(t), g.name, none)
	if err != nil || !errors.Is(deleted[g.name].Err, kerr.NonEmptyGroup) || !errors.Is(deleted[none].Err, kerr.GroupIDNotFound) {
		t.Errorf("deleted %+v, %v", deleted, err)
	}
	dynamic.leave()
	static.leave()
	if left, err := admin.LeaveGroup(within(t), kadm.LeaveGroup(g.name).InstanceIDs("fixed")); err != nil || left.Error() != nil {
		t.Fatal(left, err)
	}
	if deleted, err = admin.DeleteGroups(within(t), g.name, empty); err != nil || deleted.Error() != nil {
		t.Fatal(deleted, err)
	}
	left := listed()
	if left[g.name].Group != "" || left[empty].Group != "" {
		t.Errorf("left %v", left.Groups())
	}
}

func TestOffsetsOfAGroupAreDeletedUnlessItsMembersNeedThem(t *testing.T) {
	t.Parallel()
	admin, g := newAdmin(t), newGroup(t, "deleted-offsets", 2)
	g.sendRound(t, 20)
	m := g.join(t, true)
	g.settled(t, m)
	g.wantProcessed(t, 0, 10, true)
	g.until(t, "all is committed", func() bool { return m.committed[0] == 10 && m.committed[1] == 10 })
	first := kadm.TopicsSet{}
	first.Add(g.topic, 0)
	none := kadm.TopicsSet{}
	none.Add(g.topic, 7)

	lags, err := admin.Lag(within(t), g.name)
	if err != nil || lags.Error() != nil || lags[g.name].Lag.Total() != 0 {
		t.Errorf("lag %+v, %v", lags, err)
	}
	if deleted, err := admin.DeleteOffsets(within(t), g.name, first); err != nil || !errors.Is(deleted.Error(), kerr.GroupSubscribedToTopic) {
		t.Errorf("deleted under a member: %v, %v", deleted, err)
	}
	m.leave()
	if deleted, err := admin.DeleteOffsets(within(t), g.name, first); err != nil || deleted.Error() != nil {
		t.Errorf("deleted: %v, %v", deleted, err)
	}
	if deleted, err := admin.DeleteOffsets(within(t), g.name, none); err != nil || !errors.Is(deleted.Error(), kerr.UnknownTopicOrPartition) {
		t.Errorf("deleted of no partition: %v, %v", deleted, err)
	}
	found, err := admin.FetchOffsets(within(t), g.name)
	if err != nil || len(found[g.topic]) != 1 || found[g.topic][1].At != 10 {
		t.Errorf("left %+v, %v", found, err)
	}
	if _, err := admin.DeleteOffsets(within(t), unusedName("no-group"), first); !errors.Is(err, kerr.GroupIDNotFound) {
		t.Errorf("of a group that is not there: %v", err)
	}

	// What has no offset is read from its beginning, the rest from where it was left.
	again := g.join(t, true)
	g.settled(t, again)
	g.until(t, "the partition comes again", func() bool { return again.committed[0] == 10 })
	g.see(func() {
		for offset := range int64(10) {
			if g.processed[0][offset] != 2 || g.processed[1][offset] != 1 {
				t.Errorf("offset %d was processed %d and %d times", offset, g.processed[0][offset], g.processed[1][offset])
			}
		}
	})
}
