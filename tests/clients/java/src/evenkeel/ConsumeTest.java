package evenkeel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class ConsumeTest extends Suite {
    private static final long DAY = 1_700_000_000_000L;

    @Test
    @DisplayName("records are read from the beginning, from an offset, and from the end")
    void offsets() throws Exception {
        String topic = newTopic("offsets", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (var producer = producer(); var consumer = consumer()) {
            sendNumbered(producer, topic, 0, 500);
            assertNumbered(0, takeFromBeginning(consumer, topic, 500));
            for (int from : new int[] {0, 1, 257, 499}) {
                consumer.seek(partition, from);
                assertNumbered(from, take(consumer, 500 - from));
            }
            consumer.seekToEnd(List.of(partition));
            assertEquals(500, consumer.position(partition));
            sendNumbered(producer, topic, 500, 501);
            assertNumbered(500, take(consumer, 1));
            assertEquals(Map.of(partition, 0L), consumer.beginningOffsets(List.of(partition)));
            assertEquals(Map.of(partition, 501L), consumer.endOffsets(List.of(partition)));
        }
    }

    @Test
    @DisplayName("a position beyond the end is reset as the settings say")
    void beyondTheEnd() throws Exception {
        String topic = newTopic("beyond", 1);
        try (var producer = producer(); var consumer = consumer("auto.offset.reset", "earliest")) {
            sendNumbered(producer, topic, 0, 10);
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            consumer.seek(new TopicPartition(topic, 0), 1000);
            assertNumbered(0, take(consumer, 10));
        }
    }

    @Test
    @DisplayName("a consumer that waits on an empty topic gets the first record at once")
    void longPoll() throws Exception {
        String topic = newTopic("long-poll", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        // With the default of 500 ms a broker that does not wake its fetches would hardly be noticed.
        try (var producer = producer(); var consumer = consumer("fetch.max.wait.ms", 20_000)) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            assertEquals(0, consumer.position(partition));
            assertTrue(consumer.poll(Duration.ofMillis(100)).isEmpty()); // sends the fetch that then waits at the broker
            long sent = System.nanoTime();
            sendNumbered(producer, topic, 0, 1);
            assertNumbered(0, take(consumer, 1));
            assertTrue(Duration.ofNanos(System.nanoTime() - sent).toSeconds() < 5, "the record woke the fetch");
            consumer.close(CloseOptions.timeout(Duration.ZERO)); // does not wait for the fetch that is under way
        }
    }

    @Test
    @DisplayName("a timestamp leads to the first record at or after it")
    void timestamps() throws Exception {
        String topic = newTopic("timestamp", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        // Until it is flushed the producer gathers: each call below makes one batch.
        try (var producer = producer("linger.ms", 60_000); var consumer = consumer(); Admin admin = admin()) {
            sendAt(producer, topic, 0, 0, 1000, 2000, 3000, 4000);
            sendAt(producer, topic, 5, 10_000, 50_000, 20_000, 70_000);
            sendAt(producer, topic, 9, 60_000, 80_000);
            consumer.assign(List.of(partition));
            long[][] lookups = {
                {-5, 0, 0}, {0, 0, 0}, {1, 1, 1000}, {2000, 2, 2000}, {3999, 4, 4000}, // inside the first batch
                {4001, 5, 10_000}, // between two batches
                {10_001, 6, 50_000}, {50_001, 8, 70_000}, // out of order inside the second batch
                {70_001, 10, 80_000}, {80_000, 10, 80_000},
            };
            for (long[] lookup : lookups) {
                OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(partition, DAY + lookup[0])).get(partition);
                assertEquals(lookup[1], found.offset(), "timestamp " + lookup[0]);
                assertEquals(DAY + lookup[2], found.timestamp(), "timestamp " + lookup[0]);
                consumer.seek(partition, found.offset());
                assertNumbered((int) found.offset(), take(consumer, 11 - (int) found.offset()));
            }
            assertNull(consumer.offsetsForTimes(Map.of(partition, DAY + 80_001)).get(partition), "beyond the newest");
            var newest = done(admin.listOffsets(Map.of(partition, OffsetSpec.maxTimestamp())).partitionResult(partition));
            assertEquals(10, newest.offset());
            assertEquals(DAY + 80_000, newest.timestamp());
        }
    }

    private static void sendAt(KafkaProducer<String, String> producer, String topic, int from, long... millis) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int at = 0; at < millis.length; at++)
            sent.add(producer.send(new ProducerRecord<>(topic, 0, DAY + millis[at], null, "value " + (from + at))));
        producer.flush();
        allDone(sent);
    }
}
