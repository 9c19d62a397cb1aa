package evenkeel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RecordsTest extends Suite {
    @Test
    @DisplayName("keys, values, headers and timestamps come back unchanged")
    void unchanged() throws Exception {
        String topic = newTopic("unchanged", 1);
        long day = 1_700_000_000_000L;
        RecordHeaders headers = new RecordHeaders();
        headers.add("twice", bytes("1")).add("other", new byte[] {0, -1}).add("twice", bytes("2"));
        headers.add("null", null).add("empty", new byte[0]).add("", bytes("empty key")).add("grün", bytes("größer"));
        RecordHeaders none = new RecordHeaders();
        List<ProducerRecord<byte[], byte[]>> sent = List.of(
                new ProducerRecord<>(topic, 0, day, bytes("key"), bytes("value"), none),
                new ProducerRecord<>(topic, 0, day + 5, null, bytes("no key"), none),
                new ProducerRecord<>(topic, 0, day + 3, new byte[0], bytes("empty key"), none),
                new ProducerRecord<>(topic, 0, day + 7, bytes("tombstone"), null, none),
                new ProducerRecord<>(topic, 0, day + 7, bytes("empty value"), new byte[0], none),
                new ProducerRecord<>(topic, 0, day + 8, randomBytes(300), randomBytes(3000), none),
                new ProducerRecord<>(topic, 0, day + 9, bytes("headers"), bytes("v"), headers));
        try (var producer = bytesProducer(); var consumer = bytesConsumer()) {
            for (var record : sent) producer.send(record);
            producer.flush();
            List<ConsumerRecord<byte[], byte[]>> read = takeFromBeginning(consumer, topic, sent.size());
            for (int at = 0; at < sent.size(); at++) {
                assertArrayEquals(sent.get(at).key(), read.get(at).key());
                assertArrayEquals(sent.get(at).value(), read.get(at).value());
                assertEquals(sent.get(at).timestamp(), read.get(at).timestamp());
                Header[] wanted = sent.get(at).headers().toArray();
                Header[] got = read.get(at).headers().toArray();
                assertEquals(wanted.length, got.length);
                for (int header = 0; header < wanted.length; header++) {
                    assertEquals(wanted[header].key(), got[header].key());
                    assertArrayEquals(wanted[header].value(), got[header].value());
                }
            }
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    @ParameterizedTest(name = "codec {0} carries many records per batch")
    @ValueSource(strings = {"none", "gzip", "snappy", "lz4", "zstd"})
    void codecs(String codec) throws Exception {
        String topic = newTopic("codec-" + codec, 1);
        try (var producer = producer("compression.type", codec, "linger.ms", 60_000, "batch.size", 200_000);
                var consumer = consumer()) {
            sendNumbered(producer, topic, 0, 10_000);
            assertNumbered(0, takeFromBeginning(consumer, topic, 10_000));
        }
    }

    @Test
    @DisplayName("records of nearly a megabyte fit")
    void large() throws Exception {
        String topic = newTopic("large", 1);
        try (var producer = bytesProducer(); var consumer = bytesConsumer()) {
            List<byte[]> values = new ArrayList<>();
            for (int at = 0; at < 8; at++) {
                values.add(randomBytes(1_048_000 + at));
                done(producer.send(new ProducerRecord<>(topic, 0, null, values.get(at))));
            }
            var read = takeFromBeginning(consumer, topic, values.size());
            for (int at = 0; at < values.size(); at++) assertArrayEquals(values.get(at), read.get(at).value());
        }
    }

    @ParameterizedTest(name = "a too large batch is refused to the byte and harms no other, enable.idempotence={0}")
    @ValueSource(booleans = {true, false})
    void tooLarge(boolean idempotent) throws Exception {
        // max.message.bytes is 1048588 unless set. A batch has a head of 61 bytes; a record with a value of this size and nothing
        // else adds 11: length 3, attributes, timestamp and offset deltas, and key length 1 each, value length 3, headers 1.
        int fits = 1048588 - 61 - 11;
        String topic = newTopic("too-large-" + idempotent, 1);
        try (var producer = bytesProducer("max.request.size", 4 << 20, "enable.idempotence", idempotent);
                var consumer = bytesConsumer()) {
            done(producer.send(new ProducerRecord<>(topic, 0, null, bytes("before"))));
            for (int size : new int[] {fits + 1, 2_000_000})
                assertFails(RecordTooLargeException.class, producer.send(new ProducerRecord<>(topic, 0, null, randomBytes(size))));
            byte[] largest = randomBytes(fits);
            done(producer.send(new ProducerRecord<>(topic, 0, null, largest)));
            done(producer.send(new ProducerRecord<>(topic, 0, null, bytes("after"))));
            var read = readAll(consumer, topic).get(0);
            assertEquals(3, read.size());
            assertArrayEquals(bytes("before"), read.get(0).value());
            assertArrayEquals(largest, read.get(1).value());
            assertArrayEquals(bytes("after"), read.get(2).value());
        }
    }

    @ParameterizedTest(name = "acks {0} with enable.idempotence={1} delivers in order")
    @CsvSource({"all,true", "all,false", "1,false", "0,false"})
    void acks(String acks, boolean idempotent) throws Exception {
        String topic = newTopic("acks-" + acks + "-" + idempotent, 1);
        try (var producer = producer("acks", acks, "enable.idempotence", idempotent); var consumer = consumer()) {
            for (int from = 0; from < 1000; from += 100) sendNumbered(producer, topic, from, from + 100);
            // Without acks nothing says when the records are there: the consumer waits for them.
            assertNumbered(0, takeFromBeginning(consumer, topic, 1000));
        }
    }

    @Test
    @DisplayName("a hundred partitions keep count and order")
    void hundredPartitions() throws Exception {
        int partitions = 100;
        int each = 50;
        String topic = newTopic("hundred", partitions);
        try (var producer = producer(); var consumer = consumer()) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int at = 0; at < each; at++)
                for (int partition = 0; partition < partitions; partition++)
                    sent.add(producer.send(new ProducerRecord<>(topic, partition, null, at + " of " + partition)));
            allDone(sent);
            var read = readAll(consumer, topic);
            assertEquals(partitions, read.size());
            read.forEach((partition, records) -> {
                assertEquals(each, records.size());
                for (int at = 0; at < each; at++) assertEquals(at + " of " + partition, records.get(at).value());
            });
        }
    }

    @Test
    @DisplayName("records without a partition arrive once each")
    void defaultPartitioner() throws Exception {
        String topic = newTopic("partitioner", 4);
        try (var producer = producer(); var consumer = consumer()) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int at = 0; at < 2000; at++)
                sent.add(producer.send(new ProducerRecord<>(topic, at % 2 == 0 ? null : "key " + at % 20, "" + at)));
            allDone(sent);
            List<Integer> values = new ArrayList<>();
            readAll(consumer, topic).values().forEach(records -> records.forEach(record -> values.add(Integer.valueOf(record.value()))));
            assertEquals(2000, values.size());
            assertEquals(2000, values.stream().distinct().count());
        }
    }
}
