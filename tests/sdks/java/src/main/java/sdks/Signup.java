package sdks;

import dev.restate.sdk.SharedWorkflowContext;
import dev.restate.sdk.WorkflowContext;
import dev.restate.sdk.annotation.Shared;
import dev.restate.sdk.annotation.Workflow;
import dev.restate.sdk.common.DurablePromiseKey;
import dev.restate.sdk.common.StateKey;

/**
 * A workflow: waits for a durable promise that a shared handler resolves. Its inactivity timeout is
 * zero ({@link Main}), so every wait suspends it and every result replays it.
 */
@Workflow
public class Signup {
  private static final DurablePromiseKey<String> LINK = DurablePromiseKey.of("link", String.class);
  private static final StateKey<String> STAGE = StateKey.of("stage", String.class);

  @Workflow
  public String run(WorkflowContext ctx, String tag) {
    Notes.note(tag, "attempt");
    ctx.set(STAGE, "waiting");
    String secret = ctx.promise(LINK).future().await();
    ctx.set(STAGE, "confirmed");
    return ctx.key() + " is confirmed with " + secret;
  }

  @Shared
  public void click(SharedWorkflowContext ctx, String secret) {
    ctx.promiseHandle(LINK).resolve(secret);
  }

  @Shared
  public String status(SharedWorkflowContext ctx) {
    return ctx.get(STAGE).orElse("unknown");
  }
}
