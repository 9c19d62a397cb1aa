package evenkeel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.parallel.ExecutionMode.CONCURRENT;

import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;

class GroupAdminTest extends Suite {
    @Test
    @Execution(CONCURRENT)
    @DisplayName("groups are listed and described with their members, their clients and hosts")
    void described() throws Exception {
        try (Group group = new Group("described", 4); Admin admin = admin()) {
            var dynamic = group.join("client.id", "the client");
            var fixed = group.join("client.id", "another client", "group.instance.id", "fixed");
            group.settled(dynamic, fixed);

            ConsumerGroupDescription described = describe(admin, group.name);
            assertEquals(GroupState.STABLE, described.groupState());
            assertEquals(GroupType.CLASSIC, described.type());
            assertEquals("range", described.partitionAssignor());
            assertFalse(described.isSimpleConsumerGroup());
            assertEquals(BOOTSTRAP, described.coordinator().host() + ":" + described.coordinator().port());
            assertEquals(Set.of("the client", "another client"),
                    described.members().stream().map(member -> member.clientId()).collect(Collectors.toSet()));
            Set<TopicPartition> assigned = new HashSet<>();
            for (var member : described.members()) {
                boolean isFixed = member.clientId().equals("another client");
                assertEquals("/127.0.0.1", member.host());
                assertEquals(isFixed ? Optional.of("fixed") : Optional.empty(), member.groupInstanceId());
                assertTrue(member.consumerId().startsWith(isFixed ? "fixed-" : "the client-"), member.consumerId());
                assertEquals((isFixed ? fixed : dynamic).owned(), member.assignment().topicPartitions());
                assigned.addAll(member.assignment().topicPartitions());
            }
            assertEquals(4, assigned.size());

            String empty = withOffset(admin, "described-empty", group.topic);
            GroupListing listed = listed(admin, new ListGroupsOptions()).get(group.name);
            assertEquals(Optional.of(GroupState.STABLE), listed.groupState());
            assertEquals(Optional.of(GroupType.CLASSIC), listed.type());
            assertEquals("consumer", listed.protocol());
            assertFalse(listed.isSimpleConsumerGroup());
            assertTrue(listed(admin, new ListGroupsOptions()).get(empty).isSimpleConsumerGroup());
            var stable = listed(admin, new ListGroupsOptions().inGroupStates(Set.of(GroupState.STABLE)));
            assertTrue(stable.containsKey(group.name) && !stable.containsKey(empty));
            var emptyOnes = listed(admin, new ListGroupsOptions().inGroupStates(Set.of(GroupState.EMPTY)));
            assertTrue(emptyOnes.containsKey(empty) && !emptyOnes.containsKey(group.name));
            assertTrue(listed(admin, ListGroupsOptions.forConsumerGroups()).keySet().containsAll(Set.of(group.name, empty)));
            assertEquals(Map.of(), listed(admin, new ListGroupsOptions().withTypes(Set.of(GroupType.SHARE))));

            done(admin.removeMembersFromConsumerGroup(group.name, new RemoveMembersFromConsumerGroupOptions()).all());
            assertFails(GroupIdNotFoundException.class, admin.describeConsumerGroups(List.of(unusedName("no-group"))).all());
        }
    }

    private static ConsumerGroupDescription describe(Admin admin, String group) throws Exception {
        return done(admin.describeConsumerGroups(List.of(group)).describedGroups().get(group));
    }

    private static Map<String, GroupListing> listed(Admin admin, ListGroupsOptions options) throws Exception {
        return done(admin.listGroups(options).all()).stream().collect(Collectors.toMap(GroupListing::groupId, listing -> listing));
    }

    /** A group that has an offset and never had a member. */
    private static String withOffset(Admin admin, String about, String topic) throws Exception {
        String group = unusedName(about);
        done(admin.alterConsumerGroupOffsets(group, Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(1))).all());
        return group;
    }

    @Test
    @Execution(CONCURRENT)
    @DisplayName("the offsets of a group are listed, altered and deleted, but not under its members")
    void offsets() throws Exception {
        try (Group group = new Group("altered", 2); Admin admin = admin()) {
            TopicPartition first = new TopicPartition(group.topic, 0);
            TopicPartition second = new TopicPartition(group.topic, 1);
            TopicPartition nowhere = new TopicPartition(group.topic, 2);
            var member = group.join();
            group.send(10);
            group.settled(member);
            group.assertProcessedOnce(0, 10);
            assertFails(UnknownMemberIdException.class,
                    admin.alterConsumerGroupOffsets(group.name, Map.of(first, new OffsetAndMetadata(5))).all());
            assertFails(GroupSubscribedToTopicException.class, admin.deleteConsumerGroupOffsets(group.name, Set.of(first)).all());
            member.leave();

            assertEquals(Map.of(first, 10L, second, 10L), offsets(admin, group.name));
            done(admin.alterConsumerGroupOffsets(group.name, Map.of(first, new OffsetAndMetadata(5, "set back"))).all());
            assertEquals(Map.of(first, 5L, second, 10L), offsets(admin, group.name));
            var altered = admin.alterConsumerGroupOffsets(group.name, Map.of(nowhere, new OffsetAndMetadata(5)));
            assertFails(UnknownTopicOrPartitionException.class, altered.partitionResult(nowhere));

            var again = group.join();
            group.settled(again);
            group.eventually("the records from 5 on come again",
                    () -> group.processed().values().stream().mapToInt(Integer::intValue).sum() >= 25);
            again.leave();
            group.processed().forEach((place, times) ->
                    assertEquals(place.startsWith("0/") && Integer.parseInt(place.substring(2)) >= 5 ? 2 : 1, times, place));

            String other = withOffset(admin, "altered-other", group.topic);
            var both = admin.listConsumerGroupOffsets(Map.of(
                    group.name, new ListConsumerGroupOffsetsSpec(),
                    other, new ListConsumerGroupOffsetsSpec().topicPartitions(List.of(first))));
            assertEquals(10, done(both.partitionsToOffsetAndMetadata(group.name)).get(first).offset());
            assertEquals(1, done(both.partitionsToOffsetAndMetadata(other)).get(first).offset());

            done(admin.deleteConsumerGroupOffsets(group.name, Set.of(first)).all());
            assertEquals(Map.of(second, 10L), offsets(admin, group.name));
            assertFails(GroupIdNotFoundException.class, admin.deleteConsumerGroupOffsets(unusedName("no-group"), Set.of(first)).all());
        }
    }

    private static Map<TopicPartition, Long> offsets(Admin admin, String group) throws Exception {
        return done(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata()).entrySet().stream()
                .filter(entry -> entry.getValue() != null)
                .collect(Collectors.toMap(Map.Entry::getKey, entry -> entry.getValue().offset()));
    }

    @Test
    @Execution(CONCURRENT)
    @DisplayName("a group is deleted when it is empty, with its offsets")
    void deleted() throws Exception {
        try (Group group = new Group("deleted", 1); Admin admin = admin()) {
            var member = group.join();
            group.settled(member);
            group.send(1);
            group.assertProcessedOnce(0, 1);
            assertFails(GroupNotEmptyException.class, admin.deleteConsumerGroups(List.of(group.name)).all());
            member.leave();
            assertEquals(GroupState.EMPTY, describe(admin, group.name).groupState());
            String other = withOffset(admin, "deleted-other", group.topic);
            done(admin.deleteConsumerGroups(List.of(group.name, other)).all());
            var listed = listed(admin, new ListGroupsOptions());
            assertFalse(listed.containsKey(group.name) || listed.containsKey(other));
            assertEquals(Map.of(), offsets(admin, group.name));
            assertFails(GroupIdNotFoundException.class, admin.deleteConsumerGroups(List.of(group.name)).all());
        }
    }

    @Test
    @Execution(CONCURRENT)
    @DisplayName("the offsets of a topic go with it")
    void topicDeleted() throws Exception {
        String topic = newTopic("offsets-gone", 1);
        try (Admin admin = admin()) {
            String group = withOffset(admin, "offsets-gone", topic);
            assertEquals(1, offsets(admin, group).size());
            done(admin.deleteTopics(List.of(topic)).all());
            eventually("the offset is gone", () -> {
                try {
                    return offsets(admin, group).isEmpty();
                } catch (Exception error) {
                    throw new AssertionError(error);
                }
            });
        }
    }
}
