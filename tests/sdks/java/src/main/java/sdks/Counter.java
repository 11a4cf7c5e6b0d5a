package sdks;

import dev.restate.sdk.ObjectContext;
import dev.restate.sdk.SharedObjectContext;
import dev.restate.sdk.annotation.Handler;
import dev.restate.sdk.annotation.Shared;
import dev.restate.sdk.annotation.VirtualObject;
import dev.restate.sdk.common.StateKey;

/** An object: state that exclusive handlers change and a shared one reads. */
@VirtualObject
public class Counter {
  private static final StateKey<Long> TOTAL = StateKey.of("total", Long.class);

  @Handler
  public long add(ObjectContext ctx, long delta) {
    long value = ctx.get(TOTAL).orElse(0L) + delta;
    ctx.set(TOTAL, value);
    return value;
  }

  /** Keeps the key to itself until its awakeable is resolved with what is to be added. */
  @Handler
  public long hold(ObjectContext ctx, String tag) {
    var awakeable = ctx.awakeable(Long.class);
    Notes.note(tag, "awakeable " + awakeable.id());
    return add(ctx, awakeable.await());
  }

  @Handler
  public void reset(ObjectContext ctx) {
    ctx.clear(TOTAL);
  }

  @Shared
  public long get(SharedObjectContext ctx) {
    return ctx.get(TOTAL).orElse(0L);
  }
}
