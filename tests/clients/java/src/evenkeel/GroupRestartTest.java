package evenkeel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GroupRestartTest extends Suite {
    private final Map<String, String> confirmed = new ConcurrentHashMap<>(); // partition/offset -> value
    private final AtomicReference<Exception> failure = new AtomicReference<>();
    private volatile boolean stopSending;

    @ParameterizedTest(name = "{0}")
    @ValueSource(classes = {RangeAssignor.class, CooperativeStickyAssignor.class})
    @DisplayName("through three kills every confirmed record is processed, and no member is rebalanced")
    void kills(Class<?> assignor) throws Exception {
        // At its default a client whose only broker is away forgets all metadata (KIP-899). A leader that polls before it has
        // them again takes its topic for changed and asks for a rebalance, whatever the broker says: one run in three.
        Object[] settings = {"partition.assignment.strategy", assignor.getName(), "metadata.recovery.strategy", "none"};
        try (Group group = new Group("kills-" + assignor.getSimpleName(), 4); Admin admin = admin()) {
            var members = List.of(group.joinCommitting(settings), group.joinCommitting(settings));
            group.settled(members.get(0), members.get(1));
            int generation = members.get(0).generation();
            List<Integer> rebalances = members.stream().map(Group.Member::rebalances).toList();
            var ids = memberIds(admin, group);

            Thread sender = new Thread(() -> send(group.topic, group.partitions));
            sender.start();
            try {
                awaitMore(500);
                for (int restart = 0; restart < 3; restart++) {
                    Map<TopicPartition, Long> committed = new HashMap<>();
                    members.forEach(member -> committed.putAll(member.committed()));
                    restartBroker();
                    Map<TopicPartition, OffsetAndMetadata> found =
                            done(admin.listConsumerGroupOffsets(group.name).partitionsToOffsetAndMetadata());
                    committed.forEach((partition, offset) ->
                            assertTrue(found.get(partition).offset() >= offset, partition + ": " + offset + ", " + found.get(partition)));
                    awaitMore(500);
                }
            } finally {
                stopSending = true;
                sender.join();
            }
            if (failure.get() != null) throw failure.get();

            group.awaitProcessed(confirmed.size());
            assertEquals(confirmed.keySet(), group.processed().keySet());
            assertEquals(rebalances, members.stream().map(Group.Member::rebalances).toList(), "no rebalance");
            for (var member : members) assertEquals(generation, member.generation());
            assertEquals(ids, memberIds(admin, group));

            // A member that comes when all have left begins where they were.
            for (var member : members) member.leave();
            var late = group.joinCommitting(settings);
            group.settled(late);
            group.send(10);
            group.awaitProcessed(confirmed.size() + 10 * group.partitions);
            group.processed().forEach((place, times) -> assertEquals(1, times, place));
            System.out.println(confirmed.size() + " records sent and confirmed");
        }
    }

    private static Map<String, Object> memberIds(Admin admin, Group group) throws Exception {
        return done(admin.describeConsumerGroups(List.of(group.name)).describedGroups().get(group.name)).members().stream()
                .collect(Collectors.toMap(member -> member.consumerId(), member -> member.assignment().topicPartitions()));
    }

    private void awaitMore(int count) throws InterruptedException {
        int target = confirmed.size() + count;
        eventually(count + " more records are confirmed", () -> confirmed.size() >= target || failure.get() != null);
    }

    /** Sends numbered records without a pause, with a bounded number in flight. */
    private void send(String topic, int partitions) {
        Semaphore room = new Semaphore(100);
        try (var producer = producer()) {
            for (int number = 0; !stopSending && failure.get() == null; number++) {
                room.acquire();
                String value = "value " + number;
                producer.send(new ProducerRecord<>(topic, number % partitions, null, value), (metadata, error) -> {
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
}
