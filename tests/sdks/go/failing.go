// Failing, a service of all the ways to end badly: terminal, retried, given up, cancelled.
package main

import (
	"errors"
	"fmt"
	"time"

	restate "github.com/restatedev/sdk-go"
)

type failure struct {
	Code    uint16 `json:"code"`
	Message string `json:"message"`
}

type flakiness struct {
	Tag      string `json:"tag"`
	Failures int    `json:"failures"`
}

func failing() restate.ServiceDefinition {
	return restate.NewService("Failing", restate.WithInvocationRetryPolicy(
		restate.WithInitialRetryInterval(50*time.Millisecond))).
		Handler("terminal", restate.NewServiceHandler(terminal)).
		Handler("flaky", restate.NewServiceHandler(flaky)).
		Handler("flakyStep", restate.NewServiceHandler(flakyStep)).
		Handler("hopeless", restate.NewServiceHandler(hopeless,
			restate.WithInvocationRetryPolicy(
				restate.WithInitialRetryInterval(50*time.Millisecond),
				restate.WithMaxRetryAttempts(2),
				restate.KillOnMaxAttempts()))).
		Handler("parent", restate.NewServiceHandler(parent)).
		Handler("forgivingParent", restate.NewServiceHandler(forgivingParent)).
		Handler("sleeper", restate.NewServiceHandler(sleeper)).
		Handler("sleeperParent", restate.NewServiceHandler(sleeperParent))
}

func terminal(_ restate.Context, input failure) (restate.Void, error) {
	return restate.Void{}, restate.ToTerminalError(
		errors.New(input.Message), restate.WithErrorCode(restate.Code(input.Code)))
}

func flaky(_ restate.Context, input flakiness) (int, error) {
	return failAtFirst(input)
}

func flakyStep(ctx restate.Context, input flakiness) (int, error) {
	attempts, err := restate.Run(ctx, func(restate.RunContext) (int, error) {
		return failAtFirst(input)
	}, restate.WithInitialRetryInterval(50*time.Millisecond))
	if err != nil {
		return 0, err
	}
	return attempts, nil
}

// failAtFirst fails so often, and then says which attempt it was that did not.
func failAtFirst(input flakiness) (int, error) {
	attempts, err := note(input.Tag, "attempt")
	if err == nil && attempts <= input.Failures {
		err = fmt.Errorf("attempt %d fails", attempts)
	}
	return attempts, err
}

func hopeless(_ restate.Context, tag string) (restate.Void, error) {
	attempts, err := note(tag, "attempt")
	if err == nil {
		err = fmt.Errorf("hopeless, attempt %d", attempts)
	}
	return restate.Void{}, err
}

func parent(ctx restate.Context, input failure) (restate.Void, error) {
	if _, err := restate.Service[restate.Void](ctx, "Failing", "terminal").Request(input); err != nil {
		return restate.Void{}, err
	}
	return restate.Void{}, nil
}

func forgivingParent(ctx restate.Context, input failure) (string, error) {
	_, err := restate.Service[restate.Void](ctx, "Failing", "terminal").Request(input)
	if err == nil {
		return "the child did not fail", nil
	}
	return fmt.Sprintf("the child failed with %d: %s", err.Code(), err.Message()), nil
}

func sleeper(ctx restate.Context, tag string) (restate.Void, error) {
	if _, err := note(tag, "asleep"); err != nil {
		return restate.Void{}, err
	}
	if err := restate.Sleep(ctx, time.Hour); err != nil {
		if _, noted := note(tag, fmt.Sprintf("woken with %d", err.Code())); noted != nil {
			return restate.Void{}, noted
		}
		return restate.Void{}, err
	}
	return restate.Void{}, nil
}

func sleeperParent(ctx restate.Context, tag string) (restate.Void, error) {
	if _, err := restate.Service[restate.Void](ctx, "Failing", "sleeper").Request(tag); err != nil {
		return restate.Void{}, err
	}
	return restate.Void{}, nil
}
