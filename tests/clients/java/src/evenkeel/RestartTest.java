package evenkeel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class RestartTest extends Suite {
    private static final int PARTITIONS = 3;

    private final Map<String, String> confirmed = new ConcurrentHashMap<>(); // partition/offset -> value
    private final Map<Integer, List<String>> polled = new TreeMap<>();
    private final AtomicReference<Exception> failure = new AtomicReference<>();
    private volatile boolean stopSending;
    private volatile int sent;
    private volatile int polledCount;
    private volatile boolean stopPolling;

    @Test
    @DisplayName("every confirmed record is there exactly once after a kill, and a running consumer carries on")
    void kill() throws Exception {
        String topic = newTopic("restart", PARTITIONS);
        Thread poller = new Thread(() -> poll(topic));
        Thread sender = new Thread(() -> send(topic));
        try {
            poller.start();
            sender.start();
            awaitMore(2000);
            restartBroker();
            awaitMore(2000);
            stopSending = true;
            sender.join();
            assertNull(failure.get());
            assertEquals(sent, confirmed.size());

            int found = 0;
            Map<Integer, List<ConsumerRecord<String, String>>> read;
            try (var consumer = consumer()) {
                read = readAll(consumer, topic);
            }
            for (var records : read.entrySet()) {
                int number = records.getKey();
                for (var record : records.getValue()) {
                    String place = record.partition() + "/" + record.offset();
                    assertEquals(confirmed.get(place), record.value(), place);
                    assertEquals(number, Integer.parseInt(record.value().substring(0, 8)), place);
                    number += PARTITIONS;
                    found++;
                }
            }
            assertEquals(sent, found);

            eventually("the running consumer has all", () -> polledCount >= sent || failure.get() != null);
            stopPolling = true;
            poller.join();
            assertNull(failure.get());
            read.forEach((partition, records) ->
                    assertEquals(records.stream().map(ConsumerRecord::value).toList(), polled.get(partition)));
            System.out.println(sent + " records sent and confirmed");
        } finally {
            stopSending = true;
            stopPolling = true;
            sender.join();
            poller.join();
        }
    }

    private void awaitMore(int count) throws InterruptedException {
        int target = confirmed.size() + count;
        eventually(count + " more records are confirmed", () -> confirmed.size() >= target || failure.get() != null);
    }

    /** Sends numbered records without a pause, with a bounded number in flight. */
    private void send(String topic) {
        Semaphore room = new Semaphore(100);
        try (var producer = producer()) {
            for (int number = 0; !stopSending && failure.get() == null; number++) {
                room.acquire();
                int partition = number % PARTITIONS;
                String value = String.format("%08d %s", number, HexFormat.of().formatHex(randomBytes(RANDOM.nextInt(50))));
                sent = number + 1;
                producer.send(new ProducerRecord<>(topic, partition, null, value), (metadata, error) -> {
                    room.release();
                    if (error != null) failure.compareAndSet(null, error);
                    else if (confirmed.put(metadata.partition() + "/" + metadata.offset(), value) != null)
                        failure.compareAndSet(null, new IllegalStateException("offset " + metadata.offset() + " confirmed twice"));
                });
            }
            producer.flush();
        } catch (Exception error) {
            failure.compareAndSet(null, error);
        }
    }

    /** Runs from before the restart to the end; its consumer is never made anew. */
    private void poll(String topic) {
        List<TopicPartition> partitions =
                IntStream.range(0, PARTITIONS).mapToObj(partition -> new TopicPartition(topic, partition)).toList();
        partitions.forEach(partition -> polled.put(partition.partition(), new ArrayList<>()));
        try (var consumer = consumer()) {
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            while (!stopPolling) {
                for (var record : consumer.poll(Duration.ofMillis(100))) {
                    polled.get(record.partition()).add(record.value());
                    polledCount++;
                }
            }
        } catch (Exception error) {
            failure.compareAndSet(null, error);
        }
    }
}
