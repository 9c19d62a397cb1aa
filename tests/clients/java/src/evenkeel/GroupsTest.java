package evenkeel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.parallel.ExecutionMode.CONCURRENT;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** These mostly wait for heartbeats, so they run beside one another. */
class GroupsTest extends Suite {
    @ParameterizedTest(name = "{0}")
    @ValueSource(classes = {RangeAssignor.class, RoundRobinAssignor.class, CooperativeStickyAssignor.class})
    @Execution(CONCURRENT)
    @DisplayName("a group shares its partitions and hands them over")
    void share(Class<?> assignor) throws Exception {
        Object[] settings = {"partition.assignment.strategy", assignor.getName()};
        try (Group group = new Group("share-" + assignor.getSimpleName(), 6)) {
            group.send(10);
            var first = group.join(settings);
            group.settled(first);
            group.assertProcessedOnce(0, 10);

            var second = group.join(settings);
            var third = group.join(settings);
            group.settled(first, second, third);
            for (var member : List.of(first, second, third)) assertEquals(2, member.owned().size());
            group.send(10);
            group.assertProcessedOnce(10, 20);

            int before = first.generation();
            second.leave();
            group.settled(first, third);
            // A member knows what it owns a moment before it knows in which generation.
            eventually("the generation is another", () -> first.generation() > before);
            group.send(10);
            group.assertProcessedOnce(20, 30);

            // What left has committed all: a member that comes later processes the new records alone.
            first.leave();
            third.leave();
            group.send(10);
            var late = group.join(settings);
            group.settled(late);
            group.assertProcessedOnce(0, 40);
        }
    }

    @Test
    @Execution(CONCURRENT)
    @DisplayName("a static member comes back without a rebalance of the others")
    void staticMember() throws Exception {
        try (Group group = new Group("static", 4); Admin admin = admin()) {
            var one = group.joinCommitting("group.instance.id", "one");
            var two = group.joinCommitting("group.instance.id", "two");
            group.settled(one, two);
            group.send(10);
            group.assertProcessedOnce(0, 10);
            int rebalances = one.rebalances();
            int generation = one.generation();
            Set<TopicPartition> owned = two.owned();

            two.leave();
            var again = group.joinCommitting("group.instance.id", "two");
            group.settled(one, again);
            group.send(10);
            group.assertProcessedOnce(0, 20);
            assertEquals(owned, again.owned());
            assertEquals(generation, again.generation());
            assertEquals(generation, one.generation());
            assertEquals(rebalances, one.rebalances());

            again.leave();
            var removal = new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("two")));
            done(admin.removeMembersFromConsumerGroup(group.name, removal).all());
            group.settled(one);
            assertTrue(one.generation() > generation);
        }
    }

    @Test
    @Execution(CONCURRENT)
    @DisplayName("a second member with the instance id of the first fences it")
    void fenced() throws Exception {
        String topic = newTopic("fenced", 1);
        Object[] settings = {"group.id", unusedName("fenced"), "group.instance.id", "only", "auto.offset.reset", "earliest"};
        try (var first = consumer(settings); var second = consumer(settings); var producer = producer()) {
            sendNumbered(producer, topic, 0, 10);
            first.subscribe(List.of(topic));
            assertNumbered(0, take(first, 10));
            first.commitSync();
            second.subscribe(List.of(topic));
            sendNumbered(producer, topic, 10, 20);
            assertNumbered(10, take(second, 10));
            assertThrows(FencedInstanceIdException.class, first::commitSync);
            second.commitSync();
            assertEquals(20, second.committed(Set.of(new TopicPartition(topic, 0))).get(new TopicPartition(topic, 0)).offset());
        }
        try (Group group = new Group("fenced-poll", 1)) {
            var earlier = group.joinCommitting("group.instance.id", "only");
            group.settled(earlier);
            try (var later = consumer("group.id", group.name, "group.instance.id", "only", "auto.offset.reset", "earliest")) {
                later.subscribe(List.of(group.topic));
                eventually("the earlier member is fenced", () -> {
                    later.poll(Duration.ofMillis(50));
                    return earlier.failure() != null;
                });
                assertInstanceOf(FencedInstanceIdException.class, earlier.failure());
                assertEquals(1, later.assignment().size());
            }
        }
    }

    @Test
    @Execution(CONCURRENT)
    @DisplayName("a member that does not poll loses its partitions, and its commit fails")
    void stale() throws Exception {
        String topic = newTopic("stale", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        String group = unusedName("stale");
        Object[] settings = {"group.id", group, "auto.offset.reset", "earliest", "enable.auto.commit", false};
        try (var slow = consumer("group.id", group, "auto.offset.reset", "earliest", "max.poll.interval.ms", 2000);
                var heir = consumer(settings);
                var producer = producer()) {
            sendNumbered(producer, topic, 0, 10);
            slow.subscribe(List.of(topic));
            assertNumbered(0, take(slow, 10));
            heir.subscribe(List.of(topic));
            assertNumbered(0, take(heir, 10)); // nothing was committed
            heir.commitSync();
            assertThrows(CommitFailedException.class, () -> slow.commitSync(Map.of(partition, new OffsetAndMetadata(3))));
            assertEquals(10, heir.committed(Set.of(partition)).get(partition).offset());
        }
    }

    @Test
    @Execution(CONCURRENT)
    @DisplayName("a member that is silent for its session timeout is replaced")
    void silent() throws Exception {
        try (Group group = new Group("silent", 4)) {
            var stays = group.join("session.timeout.ms", 6000);
            var silent = group.join("session.timeout.ms", 6000, "group.instance.id", "silent");
            group.settled(stays, silent);
            group.send(10);
            group.assertProcessedOnce(0, 10);
            silent.leave(); // a static member does not say that it goes
            group.settled(stays);
            group.send(10);
            group.assertProcessedOnce(0, 20);
            assertNull(stays.failure());
        }
    }

    @Test
    @Execution(CONCURRENT)
    @DisplayName("members that subscribe to different topics share each topic among its subscribers")
    void subscriptions() throws Exception {
        String both = newTopic("both", 4);
        String one = newTopic("one", 2);
        String group = unusedName("subscriptions");
        try (var first = consumer("group.id", group); var second = consumer("group.id", group)) {
            first.subscribe(List.of(both, one));
            second.subscribe(List.of(both));
            eventually("each has its share", () -> {
                first.poll(Duration.ofMillis(50));
                second.poll(Duration.ofMillis(50));
                return first.assignment().size() == 4 && second.assignment().size() == 2;
            });
            // A changed subscription is a rebalance of its own.
            first.subscribe(List.of(one));
            eventually("each has its new share", () -> {
                first.poll(Duration.ofMillis(50));
                second.poll(Duration.ofMillis(50));
                return first.assignment().size() == 2 && second.assignment().size() == 4;
            });
        }
    }
}
