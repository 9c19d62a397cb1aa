package evenkeel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** The console tools of the Kafka distribution, each in a process of its own. README.md says which are left out. */
class ToolsTest extends Suite {
    private static final Path SCRATCH = Path.of(System.getProperty("scratch"));

    private record Outcome(int exit, String out, String err) {
        List<String> lines() {
            return out.lines().toList();
        }
    }

    private static Outcome run(Path input, String tool, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of(
                ProcessHandle.current().info().command().orElse("java"),
                "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-cp", System.getProperty("tools.classpath"),
                "org.apache.kafka.tools." + tool));
        command.addAll(List.of(arguments));
        command.addAll(List.of("--bootstrap-server", BOOTSTRAP));
        Path out = Files.createTempFile(SCRATCH, "tool", ".out");
        Path err = Files.createTempFile(SCRATCH, "tool", ".err");
        try {
            Process process = new ProcessBuilder(command)
                    .redirectInput(input == null ? new File("/dev/null") : input.toFile())
                    .redirectOutput(out.toFile())
                    .redirectError(err.toFile())
                    .start();
            if (!process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
                process.destroyForcibly().waitFor();
                fail(tool + " did not end: " + Files.readString(out) + Files.readString(err));
            }
            return new Outcome(process.exitValue(), Files.readString(out), Files.readString(err));
        } finally {
            Files.delete(out);
            Files.delete(err);
        }
    }

    private static Outcome runWell(Path input, String tool, String... arguments) throws Exception {
        Outcome outcome = run(input, tool, arguments);
        assertEquals(0, outcome.exit(), () -> tool + ": " + outcome.out() + outcome.err());
        return outcome;
    }

    @Test
    @DisplayName("TopicCommand creates, lists and deletes a topic")
    void topicCommand() throws Exception {
        String topic = unusedName("tools-topic");
        Outcome created = runWell(null, "TopicCommand", "--create", "--topic", topic, "--partitions", "3");
        assertTrue(created.out().contains("Created topic " + topic), created.out());
        Outcome again = run(null, "TopicCommand", "--create", "--topic", topic, "--partitions", "3");
        assertEquals(1, again.exit());
        assertTrue(again.out().contains("already exists"), again.out());
        assertTrue(runWell(null, "TopicCommand", "--list").lines().contains(topic));
        runWell(null, "TopicCommand", "--delete", "--topic", topic);
        assertTrue(!runWell(null, "TopicCommand", "--list").lines().contains(topic));
    }

    @Test
    @DisplayName("what ConsoleProducer reads from a file, ConsoleConsumer prints, and GetOffsetShell counts")
    void console() throws Exception {
        String topic = newTopic("tools-console", 1);
        List<String> lines = IntStream.range(0, 1000).mapToObj(at -> "key " + at + "\tline " + at).toList();
        Path input = Files.createTempFile(SCRATCH, "lines", ".txt");
        try {
            Files.write(input, lines);
            runWell(input, "ConsoleProducer", "--topic", topic, "--reader-property", "parse.key=true",
                    "--command-property", "compression.type=zstd");
        } finally {
            Files.delete(input);
        }
        Outcome consumed = runWell(null, "consumer.ConsoleConsumer", "--topic", topic, "--partition", "0",
                "--offset", "earliest", "--max-messages", "1000", "--timeout-ms", "30000",
                "--formatter-property", "print.key=true", "--command-property", "client.id=console");
        assertEquals(lines, consumed.lines());
        Outcome tail = runWell(null, "consumer.ConsoleConsumer", "--topic", topic, "--partition", "0",
                "--offset", "990", "--max-messages", "10", "--timeout-ms", "30000");
        assertEquals(IntStream.range(990, 1000).mapToObj(at -> "line " + at).toList(), tail.lines());
        assertEquals(List.of(topic + ":0:1000"), runWell(null, "GetOffsetShell", "--topic", topic).lines());
        assertEquals(List.of(topic + ":0:0"), runWell(null, "GetOffsetShell", "--topic", topic, "--time", "earliest").lines());
    }

    @Test
    @DisplayName("ProducerPerformance sends all its records")
    void producerPerformance() throws Exception {
        String topic = newTopic("tools-performance", 4);
        Outcome outcome = runWell(null, "ProducerPerformance", "--topic", topic, "--num-records", "50000", "--record-size", "200",
                "--throughput", "-1");
        assertTrue(outcome.out().contains("50000 records sent"), outcome.out());
        assertEquals(50_000, endOffsets(topic));
    }

    @Test
    @DisplayName("VerifiableProducer has every record acknowledged")
    void verifiableProducer() throws Exception {
        String topic = newTopic("tools-verifiable", 4);
        Outcome outcome = runWell(null, "VerifiableProducer", "--topic", topic, "--max-messages", "5000");
        assertEquals(5000, Pattern.compile("\"name\":\"producer_send_success\"").matcher(outcome.out()).results().count());
        assertTrue(!outcome.out().contains("producer_send_error"), outcome.out());
        assertEquals(5000, endOffsets(topic));
    }

    @Test
    @DisplayName("VerifiableConsumer and ConsoleConsumer consume through groups and commit")
    void groups() throws Exception {
        String topic = newTopic("tools-groups", 2);
        String group = unusedName("tools-groups");
        try (var producer = producer()) {
            sendNumbered(producer, topic, 0, 1000);
        }
        Outcome verified = runWell(null, "VerifiableConsumer", "--topic", topic, "--group-id", group, "--max-messages", "600");
        long consumed = Pattern.compile("\"partition\":0,\"count\":(\\d+)").matcher(verified.out()).results()
                .mapToLong(found -> Long.parseLong(found.group(1))).sum();
        assertEquals(600, consumed, verified::toString);
        assertTrue(verified.out().contains("\"name\":\"offsets_committed\"") && verified.out().contains("\"success\":true"), verified::toString);
        assertTrue(!verified.out().contains("\"success\":false"), verified::toString);
        assertEquals(600, committed(group, topic));

        // It goes on where the other has stopped.
        Outcome printed = runWell(null, "consumer.ConsoleConsumer", "--topic", topic, "--group", group, "--max-messages", "400",
                "--timeout-ms", "30000");
        assertEquals(IntStream.range(600, 1000).mapToObj(at -> "value " + at).toList(), printed.lines());
        assertEquals(1000, committed(group, topic));
    }

    private static long committed(String group, String topic) throws Exception {
        try (var admin = admin()) {
            return done(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata())
                    .get(new TopicPartition(topic, 0)).offset();
        }
    }

    private static long endOffsets(String topic) {
        try (var consumer = consumer()) {
            return readAll(consumer, topic).values().stream().mapToLong(List::size).sum();
        }
    }

    @Test
    @DisplayName("BrokerApiVersionsCommand lists what the broker offers")
    void apiVersions() throws Exception {
        Outcome outcome = runWell(null, "BrokerApiVersionsCommand");
        for (String api : List.of("Produce(0)", "Fetch(1)", "ListOffsets(2)", "Metadata(3)", "ApiVersions(18)"))
            assertTrue(Pattern.compile(Pattern.quote(api) + ": \\d+( to \\d+)? \\[usable: \\d+\\]").matcher(outcome.out()).find(),
                    () -> api + " in " + outcome.out());
    }

    @Test
    @DisplayName("ClusterTool prints the cluster's id")
    void clusterId() throws Exception {
        assertTrue(runWell(null, "ClusterTool", "cluster-id").out().startsWith("Cluster ID: "));
    }
}
