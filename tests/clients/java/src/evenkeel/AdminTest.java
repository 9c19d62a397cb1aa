package evenkeel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.CreatePartitionsOptions;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicaAssignmentException;
import org.apache.kafka.common.errors.NoReassignmentInProgressException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class AdminTest extends Suite {
    @Test
    @DisplayName("a topic gets more partitions and keeps its records")
    void createPartitions() throws Exception {
        String topic = newTopic("grown", 2);
        try (Admin admin = admin(); var producer = producer()) {
            sendNumbered(producer, topic, 0, 10);
            done(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5)), new CreatePartitionsOptions().validateOnly(true)).all());
            assertEquals(2, partitions(admin, topic));
            done(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all());
            assertEquals(5, partitions(admin, topic));
            for (int count : new int[] {5, 4, 0, -1})
                assertFails(InvalidPartitionsException.class, admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(count))).all());
            assertFails(InvalidReplicaAssignmentException.class,
                    admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(6, List.of(List.of(1000))))).all());
            assertFails(UnknownTopicOrPartitionException.class,
                    admin.createPartitions(Map.of(unusedName("no-topic"), NewPartitions.increaseTo(2))).all());
            restartBroker();
            assertEquals(5, partitions(admin, topic));
            try (var fresh = producer(); var consumer = consumer()) {
                done(fresh.send(new ProducerRecord<>(topic, 4, null, "new")));
                var read = readAll(consumer, topic);
                assertNumbered(0, read.get(0));
                assertEquals(10, read.get(0).size());
                assertEquals("new", read.get(4).get(0).value());
            }
        }
    }

    private static int partitions(Admin admin, String topic) throws Exception {
        return done(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic).partitions().size();
    }

    @Test
    @DisplayName("a running consumer of a group is given the partitions that its topic gets")
    void grownUnderAGroup() throws Exception {
        String topic = newTopic("grown-group", 1);
        try (Admin admin = admin();
                var consumer = consumer("group.id", unusedName("grown-group"), "auto.offset.reset", "earliest", "metadata.max.age.ms", 500);
                var producer = producer()) {
            consumer.subscribe(List.of(topic));
            sendNumbered(producer, topic, 0, 1);
            take(consumer, 1);
            done(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all());
            eventually("three partitions are assigned", () -> {
                consumer.poll(Duration.ofMillis(50));
                return consumer.assignment().size() == 3;
            });
        }
    }

    @Test
    @DisplayName("records are deleted from the beginning, for good")
    void deleteRecords() throws Exception {
        String topic = newTopic("delete-records", 2);
        TopicPartition first = new TopicPartition(topic, 0);
        TopicPartition second = new TopicPartition(topic, 1);
        try (Admin admin = admin(); var producer = producer(); var consumer = consumer("auto.offset.reset", "earliest")) {
            sendNumbered(producer, topic, 0, 100);
            for (int at = 0; at < 10; at++) done(producer.send(new ProducerRecord<>(topic, 1, null, "value " + at)));
            var deleted = admin.deleteRecords(Map.of(first, RecordsToDelete.beforeOffset(57), second, RecordsToDelete.beforeOffset(-1)));
            assertEquals(57, done(deleted.lowWatermarks().get(first)).lowWatermark());
            assertEquals(10, done(deleted.lowWatermarks().get(second)).lowWatermark());
            for (int restarts = 0; restarts < 2; restarts++) {
                var starts = done(admin.listOffsets(Map.of(first, OffsetSpec.earliest(), second, OffsetSpec.earliest())).all());
                assertEquals(57, starts.get(first).offset());
                assertEquals(10, starts.get(second).offset());
                assertEquals(100, done(admin.listOffsets(Map.of(first, OffsetSpec.latest())).all()).get(first).offset());
                assertNumbered(57, takeFromBeginning(consumer, topic, 43));
                consumer.seek(first, 3); // is out of range, and reset
                assertNumbered(57, take(consumer, 43));
                if (restarts == 0) restartBroker();
            }
            assertEquals(57, done(admin.deleteRecords(Map.of(first, RecordsToDelete.beforeOffset(10))).lowWatermarks().get(first)).lowWatermark(),
                    "nothing comes back");
            assertFails(OffsetOutOfRangeException.class, admin.deleteRecords(Map.of(first, RecordsToDelete.beforeOffset(101))).all());
            var found = done(admin.listOffsets(Map.of(first, OffsetSpec.forTimestamp(0))).all()).get(first);
            assertEquals(57, found.offset(), "a lookup by time finds what is left");
            done(producer.send(new ProducerRecord<>(topic, 1, null, "after")));
            assertEquals(11, done(admin.listOffsets(Map.of(second, OffsetSpec.latest())).all()).get(second).offset());
        }
    }

    @Test
    @DisplayName("the log directory tells how much its partitions hold")
    void logDirs() throws Exception {
        String topic = newTopic("log-dirs", 2);
        TopicPartition full = new TopicPartition(topic, 0);
        TopicPartition empty = new TopicPartition(topic, 1);
        try (Admin admin = admin(); var producer = bytesProducer()) {
            done(producer.send(new ProducerRecord<>(topic, 0, null, randomBytes(100_000))));
            int node = done(admin.describeCluster().nodes()).iterator().next().id();
            var directories = done(admin.describeLogDirs(List.of(node)).allDescriptions()).get(node);
            assertEquals(1, directories.size());
            var directory = directories.values().iterator().next();
            assertEquals(null, directory.error());
            long size = directory.replicaInfos().get(full).size();
            assertTrue(size > 100_000 && size < 101_000, "size " + size);
            assertEquals(0, directory.replicaInfos().get(empty).size());
            assertEquals(0, directory.replicaInfos().get(full).offsetLag());
            assertFalse(directory.replicaInfos().get(full).isFuture());
        }
    }

    @Test
    @DisplayName("the producers of a partition are described")
    void producers() throws Exception {
        String topic = newTopic("producers", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (Admin admin = admin(); var producer = producer(); var plain = producer("enable.idempotence", false)) {
            sendNumbered(plain, topic, 0, 1);
            assertEquals(List.of(), done(admin.describeProducers(List.of(partition)).partitionResult(partition)).activeProducers());
            long before = System.currentTimeMillis();
            sendNumbered(producer, topic, 1, 6);
            var active = done(admin.describeProducers(List.of(partition)).partitionResult(partition)).activeProducers();
            assertEquals(1, active.size());
            assertEquals(4, active.get(0).lastSequence());
            assertEquals(0, active.get(0).producerEpoch());
            assertTrue(active.get(0).producerId() >= 0);
            assertTrue(active.get(0).lastTimestamp() >= before - 1000 && active.get(0).lastTimestamp() <= System.currentTimeMillis() + 1000);
            assertTrue(active.get(0).currentTransactionStartOffset().isEmpty());
        }
    }

    @Test
    @DisplayName("a topic of many partitions is described in parts")
    void topicPartitions() throws Exception {
        String topic = newTopic("in-parts", 50);
        String other = newTopic("in-parts-too", 3);
        try (Admin admin = admin()) {
            var options = new DescribeTopicsOptions().partitionSizeLimitPerResponse(7);
            var described = done(admin.describeTopics(List.of(topic, other), options).allTopicNames());
            assertEquals(IntStream.range(0, 50).boxed().toList(),
                    described.get(topic).partitions().stream().map(partition -> partition.partition()).toList());
            assertEquals(3, described.get(other).partitions().size());
            for (var partition : described.get(topic).partitions()) {
                assertEquals(List.of(partition.leader()), partition.replicas());
                assertEquals(List.of(partition.leader()), partition.isr());
            }
            assertFails(UnknownTopicOrPartitionException.class, admin.describeTopics(List.of(unusedName("no-topic")), options).allTopicNames());
        }
    }

    @Test
    @DisplayName("elections are not needed, and nothing is being reassigned")
    void oneBroker() throws Exception {
        String topic = newTopic("elected", 2);
        TopicPartition partition = new TopicPartition(topic, 0);
        TopicPartition nowhere = new TopicPartition(topic, 7);
        try (Admin admin = admin()) {
            for (ElectionType type : ElectionType.values()) {
                var elected = done(admin.electLeaders(type, Set.of(partition, nowhere)).partitions());
                assertEquals(ElectionNotNeededException.class, elected.get(partition).orElseThrow().getClass());
                assertEquals(UnknownTopicOrPartitionException.class, elected.get(nowhere).orElseThrow().getClass());
                assertNotNull(done(admin.electLeaders(type, null).partitions()));
            }
            assertEquals(Map.of(), done(admin.listPartitionReassignments().reassignments()));
            int node = done(admin.describeCluster().nodes()).iterator().next().id();
            done(admin.alterPartitionReassignments(Map.of(partition, Optional.of(new NewPartitionReassignment(List.of(node))))).all());
            assertEquals(Map.of(), done(admin.listPartitionReassignments(Set.of(partition)).reassignments()));
            assertFails(InvalidReplicaAssignmentException.class,
                    admin.alterPartitionReassignments(Map.of(partition, Optional.of(new NewPartitionReassignment(List.of(1000))))).all());
            assertFails(NoReassignmentInProgressException.class, admin.alterPartitionReassignments(Map.of(partition, Optional.empty())).all());
            assertFails(UnknownTopicOrPartitionException.class,
                    admin.alterPartitionReassignments(Map.of(nowhere, Optional.of(new NewPartitionReassignment(List.of(node))))).all());
        }
    }
}
