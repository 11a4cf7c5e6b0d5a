// What handlers and driver tell each other past the server: files, so that it survives any
// kill and counts real executions.
//
// Handlers append a line to NOTES_DIR/TAG; the driver reads the lines. The driver makes
// NOTES_DIR/TAG.open; handlers wait for it.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// gateLimit is how long a handler waits for its gate before it gives up.
const gateLimit = 60 * time.Second

func notesPath(tag string) string {
	return filepath.Join(os.Getenv("NOTES_DIR"), tag)
}

// note appends a line under the tag and says how many lines are equal to it by now.
func note(tag, line string) (int, error) {
	file, err := os.OpenFile(notesPath(tag), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	_, err = file.WriteString(line + "\n")
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return 0, err
	}
	text, err := os.ReadFile(notesPath(tag))
	if err != nil {
		return 0, err
	}
	count := 0
	for _, l := range strings.Split(string(text), "\n") {
		if l == line {
			count++
		}
	}
	return count, nil
}

// waitForGate returns when the driver has opened the gate of the tag.
func waitForGate(ctx context.Context, tag string) error {
	deadline := time.Now().Add(gateLimit)
	for {
		if _, err := os.Stat(notesPath(tag) + ".open"); err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the gate of %s was not opened within %s", tag, gateLimit)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}
