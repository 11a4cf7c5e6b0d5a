package sdks;

import dev.restate.sdk.Context;
import dev.restate.sdk.annotation.Handler;
import dev.restate.sdk.annotation.Service;
import dev.restate.sdk.common.RetryPolicy;
import dev.restate.sdk.common.TerminalException;
import java.time.Duration;

/** All the ways to end badly: terminal, retried, given up, cancelled. */
@Service
public class Failing {
  public record Failure(int code, String message) {}

  public record Flakiness(String tag, int failures) {}

  @Handler
  public void terminal(Context ctx, Failure input) {
    throw new TerminalException(input.code(), input.message());
  }

  @Handler
  public int flaky(Context ctx, Flakiness input) {
    return failAtFirst(input);
  }

  @Handler
  public int flakyStep(Context ctx, Flakiness input) {
    return ctx.run(
        "fail at first",
        Integer.class,
        RetryPolicy.exponential(Duration.ofMillis(50), 2),
        () -> failAtFirst(input));
  }

  /** Fails so often, and then says which attempt it was that did not. */
  private static int failAtFirst(Flakiness input) {
    int attempts = Notes.note(input.tag(), "attempt");
    if (attempts <= input.failures()) {
      throw new IllegalStateException("attempt " + attempts + " fails");
    }
    return attempts;
  }

  @Handler
  public void hopeless(Context ctx, String tag) {
    throw new IllegalStateException("hopeless, attempt " + Notes.note(tag, "attempt"));
  }

  @Handler
  public void parent(Context ctx, Failure input) {
    FailingClient.fromContext(ctx).terminal(input).await();
  }

  @Handler
  public String forgivingParent(Context ctx, Failure input) {
    try {
      FailingClient.fromContext(ctx).terminal(input).await();
      return "the child did not fail";
    } catch (TerminalException e) {
      return "the child failed with " + e.getCode() + ": " + e.getMessage();
    }
  }

  @Handler
  public void sleeper(Context ctx, String tag) {
    Notes.note(tag, "asleep");
    try {
      ctx.sleep(Duration.ofHours(1));
    } catch (TerminalException e) {
      Notes.note(tag, "woken with " + e.getCode());
      throw e;
    }
  }

  @Handler
  public void sleeperParent(Context ctx, String tag) {
    FailingClient.fromContext(ctx).sleeper(tag).await();
  }
}
