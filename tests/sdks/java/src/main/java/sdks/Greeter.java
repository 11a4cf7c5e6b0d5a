package sdks;

import dev.restate.sdk.Context;
import dev.restate.sdk.DurableFuture;
import dev.restate.sdk.annotation.Handler;
import dev.restate.sdk.annotation.Service;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/** A plain service: steps, sleeps, an awakeable, calls to an object. */
@Service
public class Greeter {
  public record Greeting(String name, String tag, long sleepMs) {}

  public record Confirmation(String id, String answer) {}

  @Handler
  public String greet(Context ctx, Greeting input) {
    int execution =
        ctx.run("count the execution", Integer.class, () -> Notes.note(input.tag(), "step"));
    // the server has acknowledged the step: from here on it must not run again
    Notes.note(input.tag(), "stepped");
    ctx.sleep(Duration.ofMillis(input.sleepMs()));
    return "Hello " + input.name() + ", from execution " + execution;
  }

  @Handler
  public long step(Context ctx, String tag) {
    return ctx.run(
        "wait for the gate",
        Long.class,
        () -> {
          Notes.note(tag, "begin");
          Notes.waitForGate(tag);
          return ThreadLocalRandom.current().nextLong(1L << 50);
        });
  }

  @Handler
  public String confirm(Context ctx, String tag) {
    var awakeable = ctx.awakeable(String.class);
    Notes.note(tag, "awakeable " + awakeable.id());
    return "confirmed: " + awakeable.await();
  }

  @Handler
  public void answer(Context ctx, Confirmation input) {
    ctx.awakeableHandle(input.id()).resolve(String.class, input.answer());
  }

  @Handler
  public long relay(Context ctx, String key) {
    var counter = CounterClient.fromContext(ctx, key);
    var first = counter.add(1L);
    var second = counter.add(10L);
    DurableFuture.all(first, second).await();
    counter.send().add(100L, Duration.ofMillis(200));
    return second.await();
  }
}
