package evenkeel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.TopicPartition;

/**
 * A consumer group of one topic as its members see it: who owns each partition, what was processed, and what must not
 * happen. All that members change is guarded by the group.
 */
final class Group implements AutoCloseable {
    final String name;
    final String topic;
    final int partitions;
    private final Map<TopicPartition, Member> owners = new HashMap<>();
    private final Map<String, Integer> processed = new TreeMap<>(); // partition/offset -> how often
    private final List<String> faults = new ArrayList<>();
    private final List<Member> members = new ArrayList<>();

    Group(String about, int partitions) throws Exception {
        this.name = Suite.unusedName(about);
        this.topic = Suite.newTopic(about, partitions);
        this.partitions = partitions;
    }

    /** One client, which polls in a thread of its own until it leaves or fails. */
    final class Member implements ConsumerRebalanceListener, Runnable {
        private final KafkaConsumer<String, String> consumer;
        private final boolean commits;
        private final Thread thread;
        private final ConcurrentLinkedQueue<FutureTask<?>> asked = new ConcurrentLinkedQueue<>();
        private final Set<TopicPartition> owned = new HashSet<>();
        private final Map<TopicPartition, Long> committed = new HashMap<>(); // as confirmed by the broker
        private int rebalances; // calls of the listener
        private int generation = -1;
        private Exception failure;
        private volatile boolean leaving;

        private Member(boolean commits, Object... pairs) {
            Object[] all = Arrays.copyOf(pairs, pairs.length + 4);
            all[pairs.length] = "group.id";
            all[pairs.length + 1] = name;
            // A new group begins at the end unless told otherwise; the tests want every record.
            all[pairs.length + 2] = "auto.offset.reset";
            all[pairs.length + 3] = "earliest";
            this.consumer = Suite.consumer(all);
            this.commits = commits;
            this.thread = new Thread(this);
        }

        @Override
        public void run() {
            try (consumer) {
                consumer.subscribe(List.of(topic), this);
                while (!leaving) {
                    var polled = consumer.poll(Duration.ofMillis(100));
                    synchronized (Group.this) {
                        generation = consumer.groupMetadata().generationId();
                        for (var record : polled) processed.merge(record.partition() + "/" + record.offset(), 1, Integer::sum);
                    }
                    if (commits && !polled.isEmpty()) {
                        consumer.commitSync();
                        synchronized (Group.this) {
                            polled.nextOffsets().forEach((partition, at) -> committed.put(partition, at.offset()));
                        }
                    }
                    for (FutureTask<?> task = asked.poll(); task != null; task = asked.poll()) task.run();
                }
            } catch (Exception error) {
                synchronized (Group.this) {
                    failure = error;
                    owned.forEach(owners::remove);
                }
            }
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> given) {
            synchronized (Group.this) {
                rebalances++;
                for (TopicPartition partition : given) {
                    if (owners.put(partition, this) != null) faults.add(partition + " has two owners");
                    owned.add(partition);
                }
            }
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> taken) {
            synchronized (Group.this) {
                rebalances++;
                taken.forEach(partition -> owners.remove(partition, this));
                owned.removeAll(taken);
            }
        }

        /** Does something with the consumer in its thread. */
        <T> T ask(Function<KafkaConsumer<String, String>, T> question) throws Exception {
            Callable<T> call = () -> question.apply(consumer);
            FutureTask<T> task = new FutureTask<>(call);
            asked.add(task);
            return Suite.done(task);
        }

        /** As the client does it by default: a dynamic member leaves its group, a static one stays in it. */
        void leave() throws InterruptedException {
            leaving = true;
            thread.join();
        }

        Set<TopicPartition> owned() {
            return at(() -> Set.copyOf(owned));
        }

        int rebalances() {
            return at(() -> rebalances);
        }

        int generation() {
            return at(() -> generation);
        }

        Exception failure() {
            return at(() -> failure);
        }

        Map<TopicPartition, Long> committed() {
            return at(() -> Map.copyOf(committed));
        }
    }

    private <T> T at(java.util.function.Supplier<T> state) {
        synchronized (this) {
            return state.get();
        }
    }

    /** Starts a member with its client's own commits, every 5 s and before it gives up partitions. */
    Member join(Object... settings) {
        return start(new Member(false, settings));
    }

    /** Starts a member that commits after each poll, and never otherwise. */
    Member joinCommitting(Object... settings) {
        Object[] all = Arrays.copyOf(settings, settings.length + 2);
        all[settings.length] = "enable.auto.commit";
        all[settings.length + 1] = false;
        return start(new Member(true, all));
    }

    private Member start(Member member) {
        members.add(member);
        member.thread.start();
        return member;
    }

    void eventually(String what, BooleanSupplier condition) throws InterruptedException {
        Suite.eventually(what + " in " + name, () -> at(() -> {
            for (Member member : members)
                if (member.failure != null) throw new AssertionError("a member failed while waiting: " + what, member.failure);
            return condition.getAsBoolean();
        }));
    }

    /** Waits until the members own the partitions evenly, in one generation, which the broker calls stable. */
    void settled(Member... settled) throws Exception {
        eventually(settled.length + " members own the partitions evenly", () -> owners.size() == partitions
                && Arrays.stream(settled).allMatch(member ->
                        member.owned.size() >= partitions / settled.length && member.generation == settled[0].generation));
        try (Admin admin = Suite.admin()) {
            Suite.eventually(name + " is stable", () -> {
                try {
                    var described = Suite.done(admin.describeConsumerGroups(List.of(name)).describedGroups().get(name));
                    return described.groupState() == GroupState.STABLE && described.members().size() == settled.length;
                } catch (Exception error) {
                    throw new AssertionError(error);
                }
            });
        }
    }

    /** Sends to all partitions evenly. */
    void send(int each) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (var producer = Suite.producer()) {
            for (int at = 0; at < each; at++)
                for (int partition = 0; partition < partitions; partition++)
                    sent.add(producer.send(new ProducerRecord<>(topic, partition, null, "value " + at)));
        }
        Suite.allDone(sent);
    }

    void awaitProcessed(int total) throws InterruptedException {
        eventually(total + " records are processed", () -> processed.size() >= total);
    }

    /** How often each record was processed, by partition/offset. */
    Map<String, Integer> processed() {
        return at(() -> new TreeMap<>(processed));
    }

    /** Waits until each partition was processed upto this offset; each record from `from` on was processed once. */
    void assertProcessedOnce(long from, long upto) throws InterruptedException {
        awaitProcessed((int) upto * partitions);
        for (int partition = 0; partition < partitions; partition++) {
            for (long offset = 0; offset < upto; offset++) {
                Integer times = processed().get(partition + "/" + offset);
                if (offset >= from || times == null) assertEquals(1, times, partition + "/" + offset);
            }
        }
        assertEquals(upto * partitions, processed().size());
    }

    @Override
    public void close() throws Exception {
        for (Member member : members) member.leaving = true;
        for (Member member : members) member.thread.join();
        assertEquals(List.of(), faults);
    }
}
