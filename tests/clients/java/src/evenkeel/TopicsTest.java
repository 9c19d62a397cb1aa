package evenkeel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class TopicsTest extends Suite {
    @Test
    @DisplayName("a topic is created, listed, described and deleted")
    void life() throws Exception {
        String topic = unusedName("life");
        try (Admin admin = admin()) {
            var created = admin.createTopics(List.of(new NewTopic(topic, 3, (short) 1)));
            done(created.all());
            Uuid id = done(created.topicId(topic));
            assertNotEquals(Uuid.ZERO_UUID, id);
            assertEquals(3, done(created.numPartitions(topic)));
            assertEquals(1, done(created.replicationFactor(topic)));
            assertTrue(done(admin.listTopics().names()).contains(topic));
            TopicDescription described = describe(admin, topic);
            assertEquals(id, described.topicId());
            assertFalse(described.isInternal());
            assertEquals(3, described.partitions().size());
            for (int at = 0; at < 3; at++) {
                var partition = described.partitions().get(at);
                assertEquals(at, partition.partition());
                assertEquals(List.of(partition.leader()), partition.replicas());
                assertEquals(List.of(partition.leader()), partition.isr());
            }
            done(admin.deleteTopics(List.of(topic)).all());
            assertGone(admin, topic);
            assertFails(UnknownTopicOrPartitionException.class, admin.deleteTopics(List.of(topic)).all());
        }
    }

    private static TopicDescription describe(Admin admin, String topic) throws Exception {
        return done(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic);
    }

    private static void assertGone(Admin admin, String topic) throws Exception {
        eventually(topic + " is gone", () -> {
            try {
                return !done(admin.listTopics().names()).contains(topic);
            } catch (Exception error) {
                throw new AssertionError(error);
            }
        });
        assertFails(UnknownTopicOrPartitionException.class, admin.describeTopics(List.of(topic)).allTopicNames());
    }

    @Test
    @DisplayName("a topic is described and deleted by its id")
    void byId() throws Exception {
        String topic = newTopic("by-id", 2);
        try (Admin admin = admin()) {
            Uuid id = describe(admin, topic).topicId();
            var ids = TopicCollection.ofTopicIds(List.of(id));
            assertEquals(topic, done(admin.describeTopics(ids).allTopicIds()).get(id).name());
            done(admin.deleteTopics(ids).all());
            assertGone(admin, topic);
        }
    }

    @Test
    @DisplayName("an existing topic is not created again")
    void existing() throws Exception {
        String topic = newTopic("existing", 2);
        try (Admin admin = admin()) {
            assertFails(TopicExistsException.class, admin.createTopics(List.of(new NewTopic(topic, 5, (short) 1))).all());
            assertEquals(2, describe(admin, topic).partitions().size());
        }
    }

    @Test
    @DisplayName("an invalid name is refused")
    void invalidNames() throws Exception {
        try (Admin admin = admin()) {
            for (String name : List.of(".", "..", "a b", "a/b", "ä", "x".repeat(250)))
                assertFails(InvalidTopicException.class, admin.createTopics(List.of(new NewTopic(name, 1, (short) 1))).all());
            String longest = (unusedName("longest") + "x".repeat(249)).substring(0, 249);
            done(admin.createTopics(List.of(new NewTopic(longest, 1, (short) 1))).all());
        }
    }

    @Test
    @DisplayName("impossible partition and replica counts are refused and defaults are filled in")
    void counts() throws Exception {
        try (Admin admin = admin()) {
            assertFails(InvalidPartitionsException.class, admin.createTopics(List.of(new NewTopic(unusedName("none"), 0, (short) 1))).all());
            assertFails(InvalidReplicationFactorException.class,
                    admin.createTopics(List.of(new NewTopic(unusedName("replicas"), 1, (short) 1000))).all());
            String topic = unusedName("defaults");
            var created = admin.createTopics(List.of(new NewTopic(topic, Optional.empty(), Optional.empty())));
            assertTrue(done(created.numPartitions(topic)) > 0);
            assertEquals(1, done(created.replicationFactor(topic)));
        }
    }

    @Test
    @DisplayName("a validated topic is not created")
    void validated() throws Exception {
        String topic = unusedName("validated");
        try (Admin admin = admin()) {
            done(admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1)), new CreateTopicsOptions().validateOnly(true)).all());
            assertGone(admin, topic);
        }
    }

    @Test
    @DisplayName("a producer creates a topic by sending to it")
    void automatic() throws Exception {
        String topic = unusedName("automatic");
        try (var producer = producer(); var consumer = consumer()) {
            done(producer.send(new ProducerRecord<>(topic, "first")));
            assertEquals(1, readAll(consumer, topic).values().stream().mapToInt(List::size).sum());
        }
    }

    @Test
    @DisplayName("a topic created again is empty, has a new id, and clients go over to it")
    void again() throws Exception {
        String topic = newTopic("again", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (Admin admin = admin(); var producer = producer(); var consumer = consumer("auto.offset.reset", "earliest")) {
            Uuid before = describe(admin, topic).topicId();
            sendNumbered(producer, topic, 0, 100);
            assertNumbered(0, takeFromBeginning(consumer, topic, 100));
            done(admin.deleteTopics(List.of(topic)).all());
            assertGone(admin, topic);
            done(admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all());
            assertNotEquals(before, describe(admin, topic).topicId());
            try (var fresh = consumer()) {
                assertEquals(Map.of(partition, 0L), fresh.endOffsets(List.of(partition)));
            }
            sendNumbered(producer, topic, 0, 10);
            try (var fresh = consumer()) {
                assertNumbered(0, readAll(fresh, topic).get(0));
            }
            // The old position, 100, is beyond the end of the new topic: the old consumer resets it by itself.
            assertNumbered(0, take(consumer, 10));
        }
    }

    @Test
    @DisplayName("the cluster describes itself")
    void cluster() throws Exception {
        try (Admin admin = admin()) {
            var cluster = admin.describeCluster();
            var nodes = List.copyOf(done(cluster.nodes()));
            assertEquals(1, nodes.size());
            assertEquals(BOOTSTRAP, nodes.get(0).host() + ":" + nodes.get(0).port());
            assertEquals(nodes.get(0), done(cluster.controller()));
            assertFalse(done(cluster.clusterId()).isEmpty());
        }
    }

    @Test
    @DisplayName("a consumer told not to create topics sees an unknown topic as empty")
    void unknown() throws Exception {
        String topic = unusedName("unknown");
        try (var consumer = consumer("allow.auto.create.topics", false); Admin admin = admin()) {
            assertTrue(consumer.partitionsFor(topic, Duration.ofSeconds(5)).isEmpty());
            assertFalse(done(admin.listTopics().names()).contains(topic));
        }
    }
}
