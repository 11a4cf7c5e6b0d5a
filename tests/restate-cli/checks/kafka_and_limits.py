"""kafka-clusters, subscriptions, vqueues and rules.

Latchwork connects no Kafka and keeps no rules: it lists none, and what would make one is refused
with a word. The commands are run to the end on the reference server.
"""
from check import check

NO_KAFKA = "Kafka is not connected by this server"


@check("kafka-clusters: create, list, describe, patch, edit, delete")
def clusters(w):
    w.cli("kafka-clusters", "list").ok.says("No Kafka clusters registered.")
    create = ("kafka-clusters", "create", "events", "bootstrap.servers=127.0.0.1:1")
    if w.ours:
        w.cli.yes(*create).fails(NO_KAFKA)
        w.cli("kafka-clusters", "list").ok.says("No Kafka clusters registered.")
        for words in (("describe", "events"), ("patch", "events", "--set", "a=b"), ("edit", "events"),
                      ("delete", "events")):
            w.cli.yes("kafka-clusters", *words).fails('no Kafka cluster "events"', "404 Not Found")
        return
    w.cli.yes(*create).ok.says("[OK]: Kafka cluster events created")
    w.cli("kafka-clusters", "list").ok.says("events 127.0.0.1:1 1")
    w.cli.yes("kafka-clusters", "patch", "events", "--set", "client.id=a").ok.says("client.id (unset) a")
    w.cli("kafka-clusters", "describe", "events").ok.says("client.id a")
    saw, answer = w.cli.edited("bootstrap.servers=127.0.0.1:2\n", "kafka-clusters", "edit", "events")
    assert "client.id" in saw, saw
    answer.ok
    w.cli("kafka-clusters", "describe", "events").ok.says("bootstrap.servers 127.0.0.1:2")


@check("subscriptions: create, list, describe, delete")
def subscriptions(w):
    w.cli("subscriptions", "list").ok.says("No subscriptions registered.")
    create = ("subscriptions", "create", "kafka://events/orders", "service://Greeter/greet", "group.id=g")
    if w.ours:
        w.cli.yes(*create).fails(NO_KAFKA)
        for verb in ("describe", "delete"):
            w.cli.yes("subscriptions", verb, "sub_11111111111111111111111").fails("404 Not Found")
        return
    w.cli.yes(*create).ok
    made, = w.admin.get("/subscriptions").json()["subscriptions"]
    w.cli("subscriptions", "list", "--source", "kafka://events/orders").ok.says(made["id"])
    w.cli("subscriptions", "list", "--sink", "service://Greeter/hold").ok.lacks(made["id"])
    w.cli("subscriptions", "describe", made["id"]).ok.says("kafka://events/orders")
    w.cli.yes("subscriptions", "delete", made["id"]).ok
    w.cli("subscriptions", "list").ok.says("No subscriptions registered.")
    w.cli.yes("kafka-clusters", "delete", "events").ok.says("[OK]: Kafka cluster events deleted")


@check("vqueues: none, and none to describe")
def vqueues(w):
    w.cli("vqueues", "list").ok.says("No virtual queues found.")
    w.cli("vqueues", "list", "--limit", "1").ok.says("No virtual queues found.")
    answer = w.cli("vqueues", "describe", "vq_1")
    assert answer.code == 2 and "invalid value 'vq_1'" in answer.err, answer


@check("rules: set, list, disable, enable, delete")
def rules(w):
    w.cli("rules", "list").ok.says("No rules defined.")
    create = ("rules", "set", "scope1/*", "--concurrency", "5", "--description", "few")
    if w.ours:
        w.cli.yes(*create).fails("concurrency rules are not kept by this server")
        w.cli("rules", "list", "--extra").ok.says("No rules defined.")
        for verb in ("disable", "enable", "delete"):
            w.cli.yes("rules", verb, "scope1/*").fails("No rule found with pattern 'scope1/*'.")
        return
    w.cli.yes(*create).ok.says("[OK]: Created rule 'scope1/*'")
    w.cli("rules", "list", "--extra").ok.says("scope1/* 5", "few")
    w.cli.yes("rules", "disable", "scope1/*").ok.says("[OK]: Rule 'scope1/*' disabled")
    w.cli("rules", "list").ok.says("scope1/* 5 yes")
    w.cli.yes("rules", "enable", "scope1/*").ok.says("[OK]: Rule 'scope1/*' enabled")
    w.cli.yes("rules", "delete", "scope1/*").ok.says("[OK]: Deleted rule 'scope1/*'")
