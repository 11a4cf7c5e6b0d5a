// Signup, a workflow: waits for a durable promise that a shared handler resolves. Its
// inactivity timeout is zero, so every wait suspends it and every result replays it.
package main

import (
	restate "github.com/restatedev/sdk-go"
)

const (
	link  = "link"
	stage = "stage"
)

func signup() restate.ServiceDefinition {
	return restate.NewWorkflow("Signup", restate.WithInactivityTimeout(0)).
		Handler("run", restate.NewWorkflowHandler(runSignup)).
		Handler("click", restate.NewWorkflowSharedHandler(click)).
		Handler("status", restate.NewWorkflowSharedHandler(status))
}

func runSignup(ctx restate.WorkflowContext, tag string) (string, error) {
	if _, err := note(tag, "attempt"); err != nil {
		return "", err
	}
	restate.Set(ctx, stage, "waiting")
	secret, err := restate.Promise[string](ctx, link).Result()
	if err != nil {
		return "", err
	}
	restate.Set(ctx, stage, "confirmed")
	return restate.Key(ctx) + " is confirmed with " + secret, nil
}

func click(ctx restate.WorkflowSharedContext, secret string) (restate.Void, error) {
	if err := restate.Promise[string](ctx, link).Resolve(secret); err != nil {
		return restate.Void{}, err
	}
	return restate.Void{}, nil
}

func status(ctx restate.WorkflowSharedContext, _ restate.Void) (string, error) {
	value, err := restate.Get[*string](ctx, stage)
	if err != nil {
		return "", err
	}
	if value == nil {
		return "unknown", nil
	}
	return *value, nil
}
