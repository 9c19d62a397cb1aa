package evenkeel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigOp.OpType;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConfigEntry.ConfigSource;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidRequestException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.record.TimestampType;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class ConfigsTest extends Suite {
    private static final DescribeConfigsOptions ALL = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);

    private static ConfigResource resource(String topic) {
        return new ConfigResource(ConfigResource.Type.TOPIC, topic);
    }

    private static Map<String, ConfigEntry> describe(Admin admin, ConfigResource resource) throws Exception {
        return done(admin.describeConfigs(List.of(resource), ALL).all()).get(resource).entries().stream()
                .collect(Collectors.toMap(ConfigEntry::name, entry -> entry));
    }

    private static AlterConfigOp op(OpType type, String name, String value) {
        return new AlterConfigOp(new ConfigEntry(name, value), type);
    }

    private static void alter(Admin admin, String topic, AlterConfigOp... ops) throws Exception {
        done(admin.incrementalAlterConfigs(Map.of(resource(topic), List.of(ops))).all());
    }

    private static void assertRefused(Class<? extends Exception> wanted, Admin admin, ConfigResource resource, AlterConfigOp... ops)
            throws Exception {
        Map<ConfigResource, Collection<AlterConfigOp>> configs = Map.of(resource, List.of(ops));
        assertFails(wanted, admin.incrementalAlterConfigs(configs, new AlterConfigsOptions().validateOnly(true)).all());
        assertFails(wanted, admin.incrementalAlterConfigs(configs).all());
    }

    @Test
    @DisplayName("every config of a topic is described, with its default, source, synonyms and documentation")
    void described() throws Exception {
        String topic = newTopic("configs", 1);
        try (Admin admin = admin()) {
            Map<String, ConfigEntry> configs = describe(admin, resource(topic));
            // What the client names, except what belongs to brokers that are gone.
            for (var field : TopicConfig.class.getFields()) {
                if (!field.getName().endsWith("_CONFIG") || field.isAnnotationPresent(Deprecated.class)) continue;
                String name = (String) field.get(null);
                assertNotNull(configs.get(name), name);
            }
            assertEquals("1048588", configs.get("max.message.bytes").value());
            assertEquals("delete", configs.get("cleanup.policy").value());
            assertEquals("CreateTime", configs.get("message.timestamp.type").value());
            assertEquals("2147483639", configs.get("max.decompressed.message.bytes").value());
            for (ConfigEntry entry : configs.values()) {
                assertEquals(ConfigSource.DEFAULT_CONFIG, entry.source(), entry.name());
                assertTrue(entry.isDefault(), entry.name());
                assertNotNull(entry.value(), entry.name());
                assertTrue(!entry.isSensitive() && !entry.isReadOnly(), entry.name());
                assertTrue(entry.type() != ConfigEntry.ConfigType.UNKNOWN, entry.name());
                assertTrue(!entry.documentation().isEmpty(), entry.name());
            }

            alter(admin, topic, op(OpType.SET, "max.message.bytes", "2000"));
            ConfigEntry set = describe(admin, resource(topic)).get("max.message.bytes");
            assertEquals("2000", set.value());
            assertEquals(ConfigSource.DYNAMIC_TOPIC_CONFIG, set.source());
            assertEquals(List.of("max.message.bytes=2000 DYNAMIC_TOPIC_CONFIG", "message.max.bytes=1048588 DEFAULT_CONFIG"),
                    set.synonyms().stream().map(one -> one.name() + "=" + one.value() + " " + one.source()).toList());

            assertFails(UnknownTopicOrPartitionException.class, admin.describeConfigs(List.of(resource(unusedName("no-topic")))).all());
        }
    }

    @Test
    @DisplayName("a broker's configs are described and not changed")
    void broker() throws Exception {
        try (Admin admin = admin()) {
            String node = done(admin.describeCluster().nodes()).iterator().next().idString();
            ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, node);
            Map<String, ConfigEntry> configs = describe(admin, broker);
            assertEquals("1048588", configs.get("message.max.bytes").value());
            assertEquals("1", configs.get("default.replication.factor").value());
            for (String name : List.of("num.partitions", "auto.create.topics.enable", "offsets.retention.minutes", "group.initial.rebalance.delay.ms"))
                assertNotNull(configs.get(name), name);
            assertRefused(InvalidRequestException.class, admin, broker, op(OpType.SET, "message.max.bytes", "2000"));
        }
    }

    @Test
    @DisplayName("a config is set, acted on, deleted, and stays so after a restart")
    void altered() throws Exception {
        String topic = newTopic("acted-on", 1);
        try (Admin admin = admin(); var producer = bytesProducer("max.request.size", 2_000_000)) {
            alter(admin, topic, op(OpType.SET, "max.message.bytes", "2000"), op(OpType.SET, "message.timestamp.type", "LogAppendTime"));
            for (int restarts = 0; restarts < 2; restarts++) {
                assertFails(RecordTooLargeException.class, producer.send(new ProducerRecord<>(topic, randomBytes(3000))));
                long before = System.currentTimeMillis();
                var metadata = done(producer.send(new ProducerRecord<>(topic, 0, 12345L, null, randomBytes(100))));
                assertTrue(metadata.timestamp() >= before - 1000, "the broker's time");
                assertEquals("2000", describe(admin, resource(topic)).get("max.message.bytes").value());
                if (restarts == 0) restartBroker();
            }
            try (var consumer = bytesConsumer()) {
                for (var record : takeFromBeginning(consumer, topic, 2)) assertEquals(TimestampType.LOG_APPEND_TIME, record.timestampType());
            }

            alter(admin, topic, op(OpType.DELETE, "max.message.bytes", null), op(OpType.DELETE, "message.timestamp.type", null));
            for (int restarts = 0; restarts < 2; restarts++) {
                var described = describe(admin, resource(topic));
                assertEquals("1048588", described.get("max.message.bytes").value());
                assertEquals(ConfigSource.DEFAULT_CONFIG, described.get("max.message.bytes").source());
                var metadata = done(producer.send(new ProducerRecord<>(topic, 0, 12345L, null, randomBytes(3000))));
                assertEquals(12345, metadata.timestamp());
                if (restarts == 0) restartBroker();
            }
        }
    }

    @Test
    @DisplayName("a topic is created with configs")
    void created() throws Exception {
        String topic = unusedName("created-with");
        try (Admin admin = admin()) {
            var created = admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1).configs(Map.of("max.message.bytes", "3000"))));
            var entry = done(created.config(topic)).get("max.message.bytes");
            assertEquals("3000", entry.value());
            assertEquals(ConfigSource.DYNAMIC_TOPIC_CONFIG, entry.source());
            assertEquals("3000", describe(admin, resource(topic)).get("max.message.bytes").value());
            for (var wrong : List.of(Map.of("no.such.config", "1"), Map.of("max.message.bytes", "many"), Map.of("cleanup.policy", "burn")))
                assertFails(InvalidConfigurationException.class,
                        admin.createTopics(List.of(new NewTopic(unusedName("wrong"), 1, (short) 1).configs(wrong))).all());
        }
    }

    @Test
    @DisplayName("lists are appended to and subtracted from")
    void lists() throws Exception {
        String topic = newTopic("lists", 1);
        String name = "leader.replication.throttled.replicas";
        try (Admin admin = admin()) {
            alter(admin, topic, op(OpType.APPEND, name, "0:1"));
            alter(admin, topic, op(OpType.APPEND, name, "1:1,2:1"));
            assertEquals("0:1,1:1,2:1", describe(admin, resource(topic)).get(name).value());
            alter(admin, topic, op(OpType.SUBTRACT, name, "1:1"));
            assertEquals("0:1,2:1", describe(admin, resource(topic)).get(name).value());
            assertRefused(InvalidConfigurationException.class, admin, resource(topic), op(OpType.APPEND, "max.message.bytes", "1"));
        }
    }

    @Test
    @DisplayName("what is unknown, invalid, or would not be acted on is refused, and nothing changes")
    void refused() throws Exception {
        String topic = newTopic("refused-configs", 1);
        try (Admin admin = admin()) {
            for (var config : Map.of("no.such.config", "1", "max.message.bytes", "-1", "message.timestamp.type", "Never",
                    "cleanup.policy", "burn", "min.insync.replicas", "0", "segment.bytes", "many").entrySet())
                assertRefused(InvalidConfigurationException.class, admin, resource(topic),
                        op(OpType.SET, config.getKey(), config.getValue()), op(OpType.SET, "flush.messages", "7"));
            // Kafka would take this one; a broker that does not offer tiered storage refuses it, and Kafka does so too then.
            assertRefused(InvalidConfigurationException.class, admin, resource(topic), op(OpType.SET, "remote.storage.enable", "true"));
            assertRefused(UnknownTopicOrPartitionException.class, admin, resource(unusedName("no-topic")),
                    op(OpType.SET, "max.message.bytes", "2000"));
            describe(admin, resource(topic)).values().forEach(entry ->
                    assertEquals(ConfigSource.DEFAULT_CONFIG, entry.source(), entry.name()));

            var validated = Map.<ConfigResource, Collection<AlterConfigOp>>of(resource(topic), List.of(op(OpType.SET, "max.message.bytes", "2000")));
            done(admin.incrementalAlterConfigs(validated, new AlterConfigsOptions().validateOnly(true)).all());
            assertEquals("1048588", describe(admin, resource(topic)).get("max.message.bytes").value());
            assertNull(done(admin.describeConfigs(List.of(resource(topic))).all()).get(resource(topic)).get("no.such.config"));
        }
    }
}
