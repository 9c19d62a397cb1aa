package evenkeel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.File;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.net.URL;
import java.net.URLClassLoader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Runs the administrative tools of the Kafka distribution by their main classes, one after the other in this process: each
 * would take seconds to start. They have a class loader of their own, with the client they were released with.
 */
final class Command {
    private static final ClassLoader LOADER = loader();
    private static final Redirected OUT = new Redirected(System.out);
    private static final Redirected ERR = new Redirected(System.err);

    record Outcome(int exit, String out, String err) {
        List<String> lines() {
            return out.lines().filter(line -> !line.isBlank()).toList();
        }

        /** The cells of the line that has all of these. */
        List<String> row(String... cells) {
            return lines().stream()
                    .map(line -> List.of(line.trim().split("\\s+")))
                    .filter(line -> line.containsAll(List.of(cells)))
                    .findFirst()
                    .orElseThrow(() -> new AssertionError("no line with " + Arrays.toString(cells) + " in " + this));
        }
    }

    private Command() {}

    /** `tool` is a class, as the scripts of the distribution name it. */
    static Outcome run(String tool, String... arguments) throws Exception {
        List<String> all = new ArrayList<>(List.of("--bootstrap-server", Suite.BOOTSTRAP));
        all.addAll(List.of(arguments));
        Thread thread = Thread.currentThread();
        ClassLoader before = thread.getContextClassLoader();
        thread.setContextClassLoader(LOADER);
        OUT.begin();
        ERR.begin();
        int exit = 0;
        try {
            int[] first = onExit();
            try {
                Method main = LOADER.loadClass(tool).getMethod("main", String[].class);
                main.invoke(null, (Object) all.toArray(String[]::new));
            } catch (InvocationTargetException error) {
                // Some tools catch what the replaced exit throws, and exit once more: the first is what would have ended them.
                if (first[0] < 0) {
                    error.getCause().printStackTrace();
                    first[0] = 1;
                }
            }
            exit = Math.max(first[0], 0);
        } finally {
            thread.setContextClassLoader(before);
        }
        return new Outcome(exit, OUT.end(), ERR.end());
    }

    static Outcome runWell(String tool, String... arguments) throws Exception {
        Outcome outcome = run(tool, arguments);
        assertEquals(0, outcome.exit(), () -> tool + " " + String.join(" ", arguments) + ": " + outcome);
        return outcome;
    }

    private static ClassLoader loader() {
        try {
            File[] jars = new File(System.getProperty("tools.classpath").replaceAll("\\*$", "")).listFiles();
            List<URL> urls = new ArrayList<>();
            for (File jar : jars) urls.add(jar.toURI().toURL());
            return new URLClassLoader(urls.toArray(URL[]::new), ClassLoader.getPlatformClassLoader());
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
    }

    /** The code of the first exit from here on; -1 until then. */
    private static int[] onExit() throws ReflectiveOperationException {
        int[] first = {-1};
        Class<?> procedure = LOADER.loadClass("org.apache.kafka.common.utils.Exit$Procedure");
        Object note = Proxy.newProxyInstance(LOADER, new Class<?>[] {procedure}, (proxy, method, arguments) -> {
            if (first[0] < 0) first[0] = (int) arguments[0];
            throw new Ended();
        });
        LOADER.loadClass("org.apache.kafka.common.utils.Exit").getMethod("setExitProcedure", procedure).invoke(null, note);
        return first;
    }

    private static final class Ended extends Error {
        Ended() {
            super("the tool ended", null, false, false);
        }
    }

    /** Stands in for a standard stream for good, because some tools keep it. */
    private static final class Redirected extends OutputStream {
        private final PrintStream before;
        private ByteArrayOutputStream caught;

        Redirected(PrintStream before) {
            this.before = before;
        }

        synchronized void begin() {
            caught = new ByteArrayOutputStream();
            PrintStream stream = new PrintStream(this, true);
            if (this == OUT) System.setOut(stream);
            else System.setErr(stream);
        }

        synchronized String end() {
            String text = caught.toString();
            caught = null;
            return text;
        }

        @Override
        public synchronized void write(int one) {
            if (caught != null) caught.write(one);
            else before.write(one);
        }

        @Override
        public synchronized void write(byte[] bytes, int from, int length) {
            if (caught != null) caught.write(bytes, from, length);
            else before.write(bytes, from, length);
        }
    }
}
