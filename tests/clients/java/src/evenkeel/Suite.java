package evenkeel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Drives a running broker with the unmodified Java client at its default settings. A test changes a setting only where
 * the setting is what it tests.
 */
abstract class Suite {
    static final String BOOTSTRAP = System.getenv("EVENKEEL_BOOTSTRAP");
    /** Bounds every wait; nothing in the suite sleeps for a fixed time. */
    static final Duration PATIENCE = Duration.ofSeconds(60);
    static final Random RANDOM = new Random(Long.parseLong(System.getenv("EVENKEEL_SEED")));
    private static final String STARTED = Long.toString(System.currentTimeMillis(), 36);

    static Map<String, Object> settings(Object... pairs) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", BOOTSTRAP);
        for (int at = 0; at < pairs.length; at += 2) settings.put((String) pairs[at], pairs[at + 1]);
        return settings;
    }

    static Admin admin() {
        return Admin.create(settings());
    }

    static KafkaProducer<String, String> producer(Object... pairs) {
        return new KafkaProducer<>(settings(pairs), new StringSerializer(), new StringSerializer());
    }

    static KafkaProducer<byte[], byte[]> bytesProducer(Object... pairs) {
        return new KafkaProducer<>(settings(pairs), new ByteArraySerializer(), new ByteArraySerializer());
    }

    static KafkaConsumer<String, String> consumer(Object... pairs) {
        return new KafkaConsumer<>(settings(pairs), new StringDeserializer(), new StringDeserializer());
    }

    static KafkaConsumer<byte[], byte[]> bytesConsumer() {
        return new KafkaConsumer<>(settings(), new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** New in each run, so that a suite can run again on a broker that keeps its topics. */
    static String unusedName(String about) {
        return "java-" + about + "-" + STARTED;
    }

    static String newTopic(String about, int partitions) throws Exception {
        String topic = unusedName(about);
        try (Admin admin = admin()) {
            done(admin.createTopics(List.of(new NewTopic(topic, Optional.of(partitions), Optional.empty()))).all());
        }
        return topic;
    }

    static <T> T done(Future<T> future) throws Exception {
        return future.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
    }

    static <T> List<T> allDone(Collection<Future<T>> futures) throws Exception {
        List<T> results = new ArrayList<>();
        for (Future<T> future : futures) results.add(done(future));
        return results;
    }

    static void assertFails(Class<? extends Exception> wanted, Future<?> future) throws Exception {
        try {
            fail("wanted " + wanted.getSimpleName() + ", got " + done(future));
        } catch (ExecutionException error) {
            assertEquals(wanted, error.getCause().getClass(), () -> String.valueOf(error.getCause()));
        }
    }

    static void sendNumbered(KafkaProducer<String, String> producer, String topic, int from, int upto) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int at = from; at < upto; at++) sent.add(producer.send(new ProducerRecord<>(topic, 0, null, "value " + at)));
        producer.flush();
        allDone(sent);
    }

    static void assertNumbered(int from, List<ConsumerRecord<String, String>> records) {
        for (int at = 0; at < records.size(); at++) {
            assertEquals(from + at, records.get(at).offset());
            assertEquals("value " + (from + at), records.get(at).value());
        }
    }

    /** Polls until that many records have come; fails on records too many. */
    static <K, V> List<ConsumerRecord<K, V>> take(KafkaConsumer<K, V> consumer, int count) {
        List<ConsumerRecord<K, V>> taken = new ArrayList<>();
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (taken.size() < count) {
            if (System.nanoTime() > deadline) fail(taken.size() + " of " + count + " records came");
            consumer.poll(Duration.ofMillis(200)).forEach(taken::add);
        }
        assertEquals(count, taken.size());
        return taken;
    }

    static <K, V> List<ConsumerRecord<K, V>> takeFromBeginning(KafkaConsumer<K, V> consumer, String topic, int count) {
        TopicPartition partition = new TopicPartition(topic, 0);
        consumer.assign(List.of(partition));
        consumer.seekToBeginning(List.of(partition));
        return take(consumer, count);
    }

    /** Every partition from its beginning to its end as the broker states it; offsets run from 0 without a gap. */
    static <K, V> Map<Integer, List<ConsumerRecord<K, V>>> readAll(KafkaConsumer<K, V> consumer, String topic) {
        List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
                .map(info -> new TopicPartition(topic, info.partition()))
                .toList();
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
        long total = consumer.endOffsets(partitions).values().stream().mapToLong(Long::longValue).sum();
        Map<Integer, List<ConsumerRecord<K, V>>> read = new TreeMap<>();
        partitions.forEach(partition -> read.put(partition.partition(), new ArrayList<>()));
        for (ConsumerRecord<K, V> record : take(consumer, (int) total)) {
            List<ConsumerRecord<K, V>> records = read.get(record.partition());
            assertEquals(records.size(), record.offset());
            records.add(record);
        }
        return read;
    }

    static void eventually(String what, BooleanSupplier condition) throws InterruptedException {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) fail("not within " + PATIENCE.toSeconds() + " s: " + what);
            Thread.sleep(5);
        }
    }

    /** These bytes do not compress. */
    static byte[] randomBytes(int size) {
        byte[] bytes = new byte[size];
        RANDOM.nextBytes(bytes);
        return bytes;
    }

    static void restartBroker() throws Exception {
        Process process = new ProcessBuilder("bash", "-c", System.getenv("EVENKEEL_RESTART"))
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        assertTrue(process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS), "the restart command ends");
        assertEquals(0, process.exitValue(), "the restart command");
    }
}
