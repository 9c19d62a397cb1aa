package evenkeel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** What an operator types, by the tools of the Kafka distribution. */
class CommandsTest extends Suite {
    private static final String TOPICS = "org.apache.kafka.tools.TopicCommand";
    private static final String CONFIGS = "kafka.admin.ConfigCommand";
    private static final String GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
    private static final String OFFSETS = "org.apache.kafka.tools.GetOffsetShell";

    @Test
    @DisplayName("kafka-topics creates, lists, describes, alters and deletes")
    void topics() throws Exception {
        String topic = unusedName("commands-topics");
        assertTrue(Command.runWell(TOPICS, "--create", "--topic", topic, "--partitions", "2", "--config", "max.message.bytes=2000")
                .out().contains("Created topic " + topic));
        assertTrue(Command.run(TOPICS, "--create", "--topic", topic).out().contains("already exists"));
        Command.runWell(TOPICS, "--create", "--topic", topic, "--if-not-exists");
        assertTrue(Command.runWell(TOPICS, "--list").lines().contains(topic));

        List<String> described = Command.runWell(TOPICS, "--describe", "--topic", topic).lines();
        assertEquals(3, described.size(), described::toString);
        assertTrue(described.get(0).contains("PartitionCount: 2") && described.get(0).contains("ReplicationFactor: 1"), described.get(0));
        assertTrue(described.get(0).contains("Configs: max.message.bytes=2000"), described.get(0));
        for (int at = 0; at < 2; at++) {
            String line = described.get(at + 1).replaceAll("\\s+", " ");
            assertTrue(line.matches(".*Partition: " + at + " Leader: (\\d+) Replicas: \\1 Isr: \\1( .*)?"), line);
        }
        assertEquals(List.of(), Command.runWell(TOPICS, "--describe", "--under-replicated-partitions", "--topic", topic).lines());
        assertEquals(List.of(), Command.runWell(TOPICS, "--describe", "--unavailable-partitions", "--topic", topic).lines());

        Command.runWell(TOPICS, "--alter", "--topic", topic, "--partitions", "4");
        assertTrue(Command.runWell(TOPICS, "--describe", "--topic", topic).out().contains("PartitionCount: 4"));
        var fewer = Command.run(TOPICS, "--alter", "--topic", topic, "--partitions", "3");
        assertEquals(1, fewer.exit());
        assertTrue(fewer.out().contains("would not be an increase"), fewer::out);

        Command.runWell(TOPICS, "--delete", "--topic", topic);
        assertFalse(Command.runWell(TOPICS, "--list").lines().contains(topic));
        assertEquals(1, Command.run(TOPICS, "--describe", "--topic", topic).exit());
        assertEquals(1, Command.run(TOPICS, "--delete", "--topic", topic).exit());
    }

    @Test
    @DisplayName("kafka-configs describes, sets and deletes configs of topics, and describes the broker's")
    void configs() throws Exception {
        String topic = newTopic("commands-configs", 1);
        String[] entity = {"--entity-type", "topics", "--entity-name", topic};
        String all = Command.runWell(CONFIGS, with(entity, "--describe", "--all")).out();
        assertTrue(all.contains("max.message.bytes=1048588 sensitive=false synonyms={DEFAULT_CONFIG:message.max.bytes=1048588}"), all);
        for (String name : List.of("cleanup.policy", "retention.ms", "segment.bytes", "min.insync.replicas"))
            assertTrue(all.contains("  " + name + "="), () -> name + " in " + all);
        assertFalse(Command.runWell(CONFIGS, with(entity, "--describe")).out().contains("="), "nothing was set");

        assertTrue(Command.runWell(CONFIGS, with(entity, "--alter", "--add-config", "max.message.bytes=2000,message.timestamp.type=LogAppendTime"))
                .out().contains("Completed updating config for topic " + topic));
        String set = Command.runWell(CONFIGS, with(entity, "--describe")).out();
        assertTrue(set.contains("max.message.bytes=2000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:max.message.bytes=2000, "
                + "DEFAULT_CONFIG:message.max.bytes=1048588}"), set);
        assertTrue(set.contains("message.timestamp.type=LogAppendTime"), set);
        Command.runWell(CONFIGS, with(entity, "--alter", "--delete-config", "max.message.bytes"));
        String left = Command.runWell(CONFIGS, with(entity, "--describe")).out();
        assertTrue(!left.contains("max.message.bytes") && left.contains("message.timestamp.type=LogAppendTime"), left);

        var unknown = Command.run(CONFIGS, with(entity, "--alter", "--add-config", "no.such.config=1"));
        assertEquals(1, unknown.exit());
        assertTrue(unknown.err().contains("no.such.config"), unknown::toString);
        assertNotEquals(0, Command.run(CONFIGS, with(entity, "--alter", "--add-config", "max.message.bytes=many")).exit());

        String node;
        try (Admin admin = admin()) {
            node = done(admin.describeCluster().nodes()).iterator().next().idString();
        }
        String broker = Command.runWell(CONFIGS, "--entity-type", "brokers", "--entity-name", node, "--describe", "--all").out();
        assertTrue(broker.contains("  message.max.bytes=1048588"), broker);
    }

    private static String[] with(String[] some, String... more) {
        String[] all = java.util.Arrays.copyOf(some, some.length + more.length);
        System.arraycopy(more, 0, all, some.length, more.length);
        return all;
    }

    @Test
    @DisplayName("kafka-consumer-groups lists, describes, resets and deletes")
    void groups() throws Exception {
        try (Group group = new Group("commands-groups", 2); Admin admin = admin()) {
            group.send(10);
            var member = group.join("client.id", "operated");
            group.settled(member);
            group.awaitProcessed(20);
            String id;
            {
                assertTrue(Command.runWell(GROUPS, "--list").lines().contains(group.name));
                assertEquals("Stable", Command.runWell(GROUPS, "--list", "--state").row(group.name).get(1));
                var members = Command.runWell(GROUPS, "--describe", "--group", group.name, "--members", "--verbose");
                var row = members.row("operated");
                assertTrue(row.containsAll(List.of(group.name, "/127.0.0.1", "operated", "2")), members::out);
                assertTrue(members.out().contains(group.topic + ":0,1") || members.out().contains(group.topic + "(0,1)"), members::out);
                id = row.stream().filter(cell -> cell.startsWith("operated-")).findFirst().orElseThrow();
                var state = Command.runWell(GROUPS, "--describe", "--group", group.name, "--state").row(group.name);
                assertTrue(state.containsAll(List.of("range", "Stable", "1")), state::toString);
                assertEquals(List.of(group.name, group.topic, "1"),
                        Command.runWell(GROUPS, "--describe", "--group", group.name).row(group.topic, "1", id).subList(0, 3));
            }
            // The broker takes no offsets from outside while the group has members.
            var busy = Command.run(GROUPS, "--group", group.name, "--topic", group.topic, "--reset-offsets", "--to-earliest", "--execute");
            assertTrue((busy.out() + busy.err()).contains("Assignments can only be reset if the group"), busy::toString);
            var undeletable = Command.run(GROUPS, "--group", group.name, "--delete");
            assertTrue((undeletable.out() + undeletable.err()).contains("not empty"), undeletable::toString);
            member.leave();

            assertOffsets(group, "10", "10", "0");
            group.send(5);
            assertOffsets(group, "10", "15", "5");
            String[] reset = {"--group", group.name, "--topic", group.topic, "--reset-offsets"};
            assertEquals("3", Command.runWell(GROUPS, with(reset, "--to-offset", "3", "--dry-run")).row(group.name, group.topic, "0").get(3));
            assertOffsets(group, "10", "15", "5");
            assertEquals("0", Command.runWell(GROUPS, with(reset, "--to-earliest", "--execute")).row(group.name, group.topic, "0").get(3));
            assertOffsets(group, "0", "15", "15");
            Command.runWell(GROUPS, with(reset, "--shift-by", "4", "--execute"));
            assertOffsets(group, "4", "15", "11");
            Command.runWell(GROUPS, with(reset, "--to-latest", "--execute"));
            assertOffsets(group, "15", "15", "0");
            Command.runWell(GROUPS, with(reset, "--to-datetime", "2020-01-01T00:00:00.000", "--execute"));
            assertOffsets(group, "0", "15", "15");

            assertTrue(Command.runWell(GROUPS, "--delete-offsets", "--group", group.name, "--topic", group.topic + ":0").out()
                    .contains("Request succeeded"));
            assertEquals(Map.of(new TopicPartition(group.topic, 1), new OffsetAndMetadata(0, "")),
                    done(admin.listConsumerGroupOffsets(group.name).partitionsToOffsetAndMetadata()));
            assertTrue(Command.runWell(GROUPS, "--delete", "--group", group.name).out().contains("was successful"));
            assertFalse(Command.runWell(GROUPS, "--list").lines().contains(group.name));
            var gone = Command.run(GROUPS, "--describe", "--group", group.name);
            assertTrue(gone.err().contains("GroupIdNotFoundException"), gone::toString);
        }
    }

    /** Current offset, end and lag of both partitions. */
    private static void assertOffsets(Group group, String... wanted) throws Exception {
        var described = Command.runWell(GROUPS, "--describe", "--group", group.name);
        for (String partition : List.of("0", "1")) {
            var row = described.lines().stream().map(line -> List.of(line.trim().split("\\s+")))
                    .filter(cells -> cells.size() > 5 && cells.subList(0, 3).equals(List.of(group.name, group.topic, partition)))
                    .findFirst().orElseThrow(() -> new AssertionError(described.toString()));
            assertEquals(List.of(wanted), row.subList(3, 6).stream().toList(), described::toString);
        }
    }

    @Test
    @DisplayName("kafka-delete-records deletes, and kafka-get-offsets shows it")
    void deleteRecords() throws Exception {
        String topic = newTopic("commands-delete", 2);
        try (var producer = producer()) {
            sendNumbered(producer, topic, 0, 10);
        }
        Path file = Files.createTempFile(Path.of(System.getProperty("scratch")), "offsets", ".json");
        try {
            Files.writeString(file, """
                    {"version": 1, "partitions": [{"topic": "%s", "partition": 0, "offset": 7}]}""".formatted(topic));
            var deleted = Command.runWell("org.apache.kafka.tools.DeleteRecordsCommand", "--offset-json-file", file.toString());
            assertTrue(deleted.out().contains("partition: " + topic + "-0\tlow_watermark: 7"), deleted::out);
        } finally {
            Files.delete(file);
        }
        assertEquals(List.of(topic + ":0:7", topic + ":1:0"), Command.runWell(OFFSETS, "--topic", topic, "--time", "earliest").lines());
        assertEquals(List.of(topic + ":0:10", topic + ":1:0"), Command.runWell(OFFSETS, "--topic", topic, "--time", "latest").lines());
        assertEquals(List.of(topic + ":0:10"), Command.runWell(OFFSETS, "--topic-partitions", topic + ":0").lines());
    }

    @Test
    @DisplayName("kafka-groups, kafka-log-dirs, kafka-leader-election and kafka-transactions see what is there")
    void others() throws Exception {
        String topic = newTopic("commands-others", 1);
        String group = unusedName("commands-others");
        try (Admin admin = admin(); var producer = producer()) {
            sendNumbered(producer, topic, 0, 10);
            done(admin.alterConsumerGroupOffsets(group, Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(1))).all());
            var listed = Command.runWell("org.apache.kafka.tools.GroupsCommand", "--list");
            assertEquals("Classic", listed.row(group).get(1), listed::out);
            String directories = Command.runWell("org.apache.kafka.tools.LogDirsCommand", "--describe", "--topic-list", topic).out();
            assertTrue(directories.matches("(?s).*\"partition\":\"" + topic + "-0\".*") && directories.contains("\"size\":"), directories);
            String elected = Command.runWell("org.apache.kafka.tools.LeaderElectionCommand", "--election-type", "preferred",
                    "--topic", topic, "--partition", "0").out();
            assertTrue(elected.contains("Valid replica already elected for partitions " + topic + "-0"), elected);
            var producers = Command.runWell("org.apache.kafka.tools.TransactionsCommand", "describe-producers", "--topic", topic, "--partition", "0");
            assertEquals(2, producers.lines().size(), producers::out);
            assertEquals("9", List.of(producers.lines().get(1).trim().split("\\s+")).get(3), producers::out);
        }
    }
}
