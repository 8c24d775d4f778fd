import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * As many state rows and outputs a record as the worker writes, of the same sizes, after decoding the record's JSON and
 * reading a row of its thread: Kafka Streams' own cost for this traffic, without the reduction.
 */
public class Streams {
    static final String STORE = "rows";

    static String told(String name) {
        return System.getenv("PEER_" + name);
    }

    static double number(String name) {
        return Double.parseDouble(told(name));
    }

    static class Fold implements Processor<byte[], byte[], byte[], byte[]> {
        private final double outputs = number("OUTPUTS");
        private final double rows = number("ROWS");
        private final int outputBytes = (int) number("OUTPUT_BYTES");
        private final int rowBytes = (int) number("ROW_BYTES");
        private final List<String> topics =
            List.of(told("OUT_THREAD_ITEM"), told("OUT_TURN_SUMMARY"), told("OUT_LIFECYCLE"));
        private final ObjectMapper json = new ObjectMapper();
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<byte[], byte[]> store;
        private double outputsOwed;
        private double rowsOwed;
        private long seen;
        // The text of what was read before, to write rows and outputs of the size wanted that compress like the worker's.
        private byte[] text = new byte[0];

        @Override
        public void init(ProcessorContext<byte[], byte[]> context) {
            this.context = context;
            this.store = context.getStateStore(STORE);
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            JsonNode line;
            try {
                line = json.readTree(record.value());
            } catch (java.io.IOException error) {
                throw new IllegalStateException(error);
            }
            seen += line.has("payload") ? 1 : 0;
            store.get(key(record.key(), "h"));
            text = record.value().length > 200 || text.length == 0 ? record.value() : text;
            for (rowsOwed += rows; rowsOwed >= 1; rowsOwed--) {
                store.put(key(record.key(), "row/" + (seen * 4 + (long) rowsOwed)), filled(rowBytes));
            }
            for (outputsOwed += outputs; outputsOwed >= 1; outputsOwed--) {
                byte[] key = key(record.key(), "item/" + seen);
                context.forward(new Record<>(key, filled(outputBytes), record.timestamp()), "out-" + seen % topics.size());
            }
        }

        private byte[] filled(int size) {
            byte[] found = Arrays.copyOf(text, size);
            for (int at = text.length; at < size; at += text.length) {
                System.arraycopy(text, 0, found, at, Math.min(text.length, size - at));
            }
            return found;
        }

        private static byte[] key(byte[] thread, String row) {
            byte[] rest = ("/" + row).getBytes(StandardCharsets.UTF_8);
            byte[] found = Arrays.copyOf(thread, thread.length + rest.length);
            System.arraycopy(rest, 0, found, thread.length, rest.length);
            return found;
        }
    }

    public static void main(String[] arguments) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, told("GROUP"));
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, told("SERVERS"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, told("STATE"));
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, (long) (1000 * number("INTERVAL_S")));
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put("auto.offset.reset", "earliest");
        settings.put("producer.compression.type", "lz4");
        settings.put("producer.linger.ms", 20);
        settings.put("producer.batch.size", 1_000_000);
        Topology topology = new Topology();
        var bytes = Serdes.ByteArray();
        topology.addSource("in", bytes.deserializer(), bytes.deserializer(), told("INPUT"));
        topology.addProcessor("fold", Fold::new, "in");
        topology.addStateStore(
            Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(STORE), bytes, bytes).withCachingEnabled(), "fold");
        int number = 0;
        for (String topic : List.of(told("OUT_THREAD_ITEM"), told("OUT_TURN_SUMMARY"), told("OUT_LIFECYCLE"))) {
            topology.addSink("out-" + number++, topic, bytes.serializer(), bytes.serializer(), "fold");
        }
        KafkaStreams streams = new KafkaStreams(topology, settings);
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }
}
