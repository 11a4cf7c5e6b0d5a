package sdks;

import dev.restate.sdk.endpoint.Endpoint;
import dev.restate.sdk.endpoint.definition.InvocationRetryPolicy;
import dev.restate.sdk.endpoint.definition.InvocationRetryPolicy.OnMaxAttempts;
import dev.restate.sdk.http.vertx.RestateHttpServer;
import java.time.Duration;

/**
 * The services of the SDK checks, with the Java SDK: Greeter, Counter, Signup, Failing.
 *
 * <p>What each handler takes, does and gives back is written down once for all languages, in
 * ../README.md. Settings come in by the environment: PORT, where the endpoint listens, and
 * NOTES_DIR, the folder it shares with the driver ({@link Notes}).
 */
public final class Main {
  private Main() {}

  public static void main(String[] args) {
    String port = System.getenv("PORT");
    if (port == null || System.getenv("NOTES_DIR") == null) {
      System.err.println("PORT and NOTES_DIR must be set; tests/sdks/run does so");
      System.exit(2);
    }
    var retries = InvocationRetryPolicy.builder().initialInterval(Duration.ofMillis(50));
    var fewRetries =
        InvocationRetryPolicy.builder()
            .initialInterval(Duration.ofMillis(50))
            .maxAttempts(2)
            .onMaxAttempts(OnMaxAttempts.KILL);
    var endpoint =
        Endpoint.bind(new Greeter())
            .bind(new Counter())
            .bind(new Signup(), signup -> signup.inactivityTimeout(Duration.ZERO))
            .bind(
                new Failing(),
                failing ->
                    failing
                        .invocationRetryPolicy(retries)
                        .configureHandler(
                            "hopeless", hopeless -> hopeless.invocationRetryPolicy(fewRetries)));
    RestateHttpServer.listen(endpoint, Integer.parseInt(port));
  }
}
