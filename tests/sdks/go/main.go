// The services of the SDK checks, with the Go SDK: Greeter, Counter, Signup, Failing.
//
// What each handler takes, does and gives back is written down once for all languages, in
// ../README.md. Settings come in by the environment: PORT, where the endpoint listens, and
// NOTES_DIR, the folder it shares with the driver (notes.go).
package main

import (
	"context"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/restatedev/sdk-go/server"
)

func main() {
	port := os.Getenv("PORT")
	if port == "" || os.Getenv("NOTES_DIR") == "" {
		log.Fatal("PORT and NOTES_DIR must be set; tests/sdks/run does so")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	quiet := slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})
	err := server.NewRestate().
		WithLogger(quiet, true).
		Bind(greeter()).
		Bind(counter()).
		Bind(signup()).
		Bind(failing()).
		Start(ctx, "127.0.0.1:"+port)
	if err != nil {
		log.Fatalf("the endpoint cannot listen on 127.0.0.1:%s: %v", port, err)
	}
}
