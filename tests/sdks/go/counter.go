// Counter, an object: state that exclusive handlers change and a shared one reads.
package main

import (
	restate "github.com/restatedev/sdk-go"
)

const total = "total"

func counter() restate.ServiceDefinition {
	return restate.NewObject("Counter").
		Handler("add", restate.NewObjectHandler(add)).
		Handler("hold", restate.NewObjectHandler(hold)).
		Handler("reset", restate.NewObjectHandler(reset)).
		Handler("get", restate.NewObjectSharedHandler(get))
}

func add(ctx restate.ObjectContext, delta int64) (int64, error) {
	value, err := restate.Get[int64](ctx, total)
	if err != nil {
		return 0, err
	}
	restate.Set(ctx, total, value+delta)
	return value + delta, nil
}

// hold keeps the key to itself until its awakeable is resolved with what is to be added.
func hold(ctx restate.ObjectContext, tag string) (int64, error) {
	awakeable := restate.Awakeable[int64](ctx)
	if _, err := note(tag, "awakeable "+awakeable.Id()); err != nil {
		return 0, err
	}
	delta, err := awakeable.Result()
	if err != nil {
		return 0, err
	}
	return add(ctx, delta)
}

func reset(ctx restate.ObjectContext, _ restate.Void) (restate.Void, error) {
	restate.Clear(ctx, total)
	return restate.Void{}, nil
}

func get(ctx restate.ObjectSharedContext, _ restate.Void) (int64, error) {
	value, err := restate.Get[int64](ctx, total)
	if err != nil {
		return 0, err
	}
	return value, nil
}
