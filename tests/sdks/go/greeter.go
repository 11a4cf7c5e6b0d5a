// Greeter, a plain service: steps, sleeps, an awakeable, calls to an object.
package main

import (
	"fmt"
	"math/rand/v2"
	"time"

	restate "github.com/restatedev/sdk-go"
)

type greeting struct {
	Name    string `json:"name"`
	Tag     string `json:"tag"`
	SleepMs int64  `json:"sleepMs"`
}

type confirmation struct {
	ID     string `json:"id"`
	Answer string `json:"answer"`
}

func greeter() restate.ServiceDefinition {
	return restate.NewService("Greeter").
		Handler("greet", restate.NewServiceHandler(greet)).
		Handler("step", restate.NewServiceHandler(step)).
		Handler("confirm", restate.NewServiceHandler(confirm)).
		Handler("answer", restate.NewServiceHandler(answer)).
		Handler("relay", restate.NewServiceHandler(relay))
}

func greet(ctx restate.Context, input greeting) (string, error) {
	execution, err := restate.Run(ctx, func(restate.RunContext) (int, error) {
		return note(input.Tag, "step")
	}, restate.WithName("count the execution"))
	if err != nil {
		return "", err
	}
	// the server has acknowledged the step: from here on it must not run again
	if _, err := note(input.Tag, "stepped"); err != nil {
		return "", err
	}
	if err := restate.Sleep(ctx, time.Duration(input.SleepMs)*time.Millisecond); err != nil {
		return "", err
	}
	return fmt.Sprintf("Hello %s, from execution %d", input.Name, execution), nil
}

func step(ctx restate.Context, tag string) (int64, error) {
	token, err := restate.Run(ctx, func(run restate.RunContext) (int64, error) {
		if _, err := note(tag, "begin"); err != nil {
			return 0, err
		}
		if err := waitForGate(run, tag); err != nil {
			return 0, err
		}
		return rand.Int64N(1 << 50), nil
	}, restate.WithName("wait for the gate"))
	if err != nil {
		return 0, err
	}
	return token, nil
}

func confirm(ctx restate.Context, tag string) (string, error) {
	awakeable := restate.Awakeable[string](ctx)
	if _, err := note(tag, "awakeable "+awakeable.Id()); err != nil {
		return "", err
	}
	answer, err := awakeable.Result()
	if err != nil {
		return "", err
	}
	return "confirmed: " + answer, nil
}

func answer(ctx restate.Context, input confirmation) (restate.Void, error) {
	restate.ResolveAwakeable(ctx, input.ID, input.Answer)
	return restate.Void{}, nil
}

func relay(ctx restate.Context, key string) (int64, error) {
	first := restate.Object[int64](ctx, "Counter", key, "add").RequestFuture(int64(1))
	second := restate.Object[int64](ctx, "Counter", key, "add").RequestFuture(int64(10))
	for _, err := range restate.Wait(ctx, first, second) {
		if err != nil {
			return 0, err
		}
	}
	restate.ObjectSend(ctx, "Counter", key, "add").
		Send(int64(100), restate.WithDelay(200*time.Millisecond))
	if _, err := first.Response(); err != nil {
		return 0, err
	}
	total, err := second.Response()
	if err != nil {
		return 0, err
	}
	return total, nil
}
