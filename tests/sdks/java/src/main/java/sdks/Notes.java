package sdks;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;

/**
 * What handlers and driver tell each other past the server: files, so that it survives any kill
 * and counts real executions.
 *
 * <p>Handlers append a line to NOTES_DIR/TAG; the driver reads the lines. The driver makes
 * NOTES_DIR/TAG.open; handlers wait for it.
 */
final class Notes {
  /** How long a handler waits for its gate before it gives up. */
  private static final Duration GATE_LIMIT = Duration.ofSeconds(60);

  private Notes() {}

  private static Path path(String name) {
    return Path.of(System.getenv("NOTES_DIR"), name);
  }

  /** Appends a line under the tag and says how many lines are equal to it by now. */
  static int note(String tag, String line) {
    try {
      Files.writeString(
          path(tag), line + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
      return (int) Files.readAllLines(path(tag)).stream().filter(line::equals).count();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot note a line under " + tag, e);
    }
  }

  /** Returns when the driver has opened the gate of the tag. */
  static void waitForGate(String tag) throws InterruptedException {
    long deadline = System.nanoTime() + GATE_LIMIT.toNanos();
    while (!Files.exists(path(tag + ".open"))) {
      if (System.nanoTime() > deadline) {
        throw new IllegalStateException(
            "the gate of " + tag + " was not opened within " + GATE_LIMIT);
      }
      Thread.sleep(10);
    }
  }
}
