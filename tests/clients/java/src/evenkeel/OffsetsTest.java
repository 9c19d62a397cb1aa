package evenkeel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.OffsetMetadataTooLarge;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class OffsetsTest extends Suite {
    @Test
    @DisplayName("a simple consumer's offsets keep their metadata and epoch, over a restart too")
    void roundTrip() throws Exception {
        String topic = newTopic("committed", 3);
        TopicPartition first = new TopicPartition(topic, 0);
        TopicPartition second = new TopicPartition(topic, 1);
        TopicPartition never = new TopicPartition(topic, 2);
        String group = unusedName("committed");
        var committed = Map.of(
                first, new OffsetAndMetadata(7, Optional.of(0), "größer als 7"),
                second, new OffsetAndMetadata(1L << 40, Optional.empty(), ""));
        try (var consumer = consumer("group.id", group); Admin admin = admin()) {
            consumer.assign(List.of(first, second, never));
            Map<TopicPartition, OffsetAndMetadata> none = new HashMap<>();
            for (var partition : List.of(first, second, never)) none.put(partition, null);
            assertEquals(none, consumer.committed(none.keySet()), "the group is unknown");

            consumer.commitSync(committed);
            assertOffsets(committed, consumer.committed(Set.of(first, second, never)));
            assertOffsets(committed, done(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata()));
            restartBroker();
            assertOffsets(committed, done(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata()));
            assertOffsets(committed, consumer.committed(Set.of(first, second, never)));

            consumer.commitSync(Map.of(first, new OffsetAndMetadata(3, Optional.empty(), "back")));
            assertEquals(new OffsetAndMetadata(3, Optional.empty(), "back"), consumer.committed(Set.of(first)).get(first));
        }
    }

    private static void assertOffsets(Map<TopicPartition, OffsetAndMetadata> wanted, Map<TopicPartition, OffsetAndMetadata> found) {
        Map<TopicPartition, OffsetAndMetadata> there = new HashMap<>(found);
        there.values().removeIf(offset -> offset == null);
        assertEquals(wanted, there);
    }

    @Test
    @DisplayName("a simple consumer goes on where it committed, and so does a group of that name")
    void simple() throws Exception {
        String topic = newTopic("simple", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        Object[] settings = {"group.id", unusedName("simple"), "auto.offset.reset", "earliest", "max.poll.records", 5};
        try (var producer = producer()) {
            sendNumbered(producer, topic, 0, 20);
            try (var consumer = consumer(settings)) {
                consumer.assign(List.of(partition));
                assertNumbered(0, take(consumer, 5));
                consumer.commitSync();
            }
            try (var consumer = consumer(settings)) {
                consumer.assign(List.of(partition));
                assertNumbered(5, take(consumer, 5)); // commits when it is closed
            }
            try (var consumer = consumer(settings)) {
                consumer.subscribe(List.of(topic));
                assertNumbered(10, take(consumer, 10));
            }
        }
    }

    @Test
    @DisplayName("what cannot be committed is refused")
    void refused() throws Exception {
        String topic = newTopic("refused", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        String group = unusedName("refused");
        try (var consumer = consumer("group.id", group, "default.api.timeout.ms", 3000); var member = consumer("group.id", group)) {
            consumer.assign(List.of(partition));
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(1, "x".repeat(4096))));
            assertThrows(OffsetMetadataTooLarge.class,
                    () -> consumer.commitSync(Map.of(partition, new OffsetAndMetadata(2, "x".repeat(4097)))));
            assertThrows(KafkaException.class,
                    () -> consumer.commitSync(Map.of(new TopicPartition(topic, 1), new OffsetAndMetadata(1))), "no such partition");
            assertEquals(1, consumer.committed(Set.of(partition)).get(partition).offset());

            // While the group has members, nobody else commits.
            member.subscribe(List.of(topic));
            eventually("the member is in", () -> {
                member.poll(java.time.Duration.ofMillis(50));
                return !member.assignment().isEmpty();
            });
            assertThrows(CommitFailedException.class, () -> consumer.commitSync(Map.of(partition, new OffsetAndMetadata(0))));
            assertEquals(1, member.committed(Set.of(partition)).get(partition).offset());
            assertNull(member.committed(Set.of(new TopicPartition(topic, 1))).get(new TopicPartition(topic, 1)));
        }
    }
}
