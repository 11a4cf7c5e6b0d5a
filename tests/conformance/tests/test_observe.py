"""What the server tells of itself: numbers to scrape, spans to collect, lines to read.

The numbers are read with the parsers of Prometheus' own client library, the spans with the
published definitions of OTLP.
"""
import json
import re
from pathlib import Path

import pytest

from harness.clients import CallError
from harness.collector import Collector
from harness.liar import honest
from harness.probe import eventually
from harness.scrape import OPEN, counters_only_grow, scrape

pytestmark = pytest.mark.needs("observe")

OPS = Path(__file__).resolve().parents[3] / "ops"
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{CALLER}-01"
SERVER, CLIENT, INTERNAL = 2, 3, 1


@pytest.fixture
def collector():
    made = Collector()
    yield made
    made.close()


@pytest.fixture
def seen(fresh_server, services):
    """A server of its own, so that nobody else is counted."""

    def make(**settings):
        server = fresh_server(name="observed", settings={
            f"LATCHWORK_{k.upper()}": v for k, v in settings.items()})
        for e in services:
            server.register(e)
        return server

    return make


def wait_counted(server):
    """Until the stored invocations, of which one sleeps from here on, were counted."""
    server.ingress.send("Echo", "echo", 1, delay="1h")
    eventually(lambda: "latchwork_invocations" in scrape(server).names())


# -- metrics -----------------------------------------------------------------------------------


def test_calls_are_counted_by_handler_and_by_what_they_came_to(seen, tag):
    server = seen()
    before = scrape(server)
    for i in range(3):
        server.ingress.call("Echo", "echo", i)
    with pytest.raises(CallError):
        server.ingress.call("Errs", "terminal", {"message": "no", "code": 418})
    assert server.ingress.call("Errs", "flaky", {"tag": tag, "failures": 2}) == 3
    server.ingress.send("Echo", "echo", 1, delay="1h")
    after = scrape(server)
    counters_only_grow(before, after)

    def counted(name, service, handler, **labels):
        return after.value(f"latchwork_{name}", service=service, handler=handler, **labels)

    assert counted("invocations_accepted_total", "Echo", "echo") == 4
    assert counted("invocations_completed_total", "Echo", "echo", result="succeeded") == 3
    assert counted("invocation_duration_seconds_count", "Echo", "echo") == 3
    assert counted("invocations_completed_total", "Errs", "terminal", result="failed") == 1
    assert counted("invocations_completed_total", "Errs", "flaky", result="succeeded") == 1
    assert counted("attempts_started_total", "Errs", "flaky") == 3
    assert counted("attempts_ended_total", "Errs", "flaky", ending="failed") == 2
    assert counted("attempts_failed_total", "Errs", "flaky", code="5xx") == 2
    assert counted("attempt_duration_seconds_count", "Errs", "flaky") == 3
    assert after.value("latchwork_attempts_running") == 0
    assert after.value("latchwork_ingress_requests_total", route="call", status="200") == 4
    assert after.value("latchwork_ingress_requests_total", route="call", status="4xx") == 1
    assert after.value("latchwork_ingress_requests_total", route="send", status="202") == 1
    assert after.value("latchwork_timers_armed_total") >= 1
    # 3 + 1 + 1 calls cost two records each, the retries more, the send one
    appended = after.value("latchwork_log_appended_lsn")
    assert appended == after.value("latchwork_log_applied_lsn") >= 11
    assert after.value("latchwork_log_records_total") == appended
    appends = after.value("latchwork_log_appends_total")
    assert appends == after.value("latchwork_log_sync_duration_seconds_count") <= appended
    assert after.value("latchwork_log_batch_records_sum") == appended
    assert after.value("latchwork_healthy") == 1
    assert after.value("latchwork_trouble") == 0
    assert after.value("latchwork_process_resident_memory_bytes") > 1 << 20
    assert after.value("latchwork_disk_free_bytes") > 0


def test_what_was_ended_from_outside_is_told_apart(seen, tag):
    server = seen()
    held = server.ingress.send_id("Echo", "hold", {"tag": tag, "value": 1})
    eventually(lambda: scrape(server).value("latchwork_attempts_running", handler="hold") == 1)
    assert server.admin.inv("kill", held).status_code == 200
    late = server.ingress.send_id("Echo", "echo", 1, delay="1h")
    assert server.admin.inv("cancel", late).status_code in (200, 202)
    asleep = server.ingress.send_id("Timers", "sleep", 3_600_000)
    eventually(lambda: server.admin.status(asleep) in ("running", "suspended"))
    assert server.admin.inv("cancel", asleep).status_code in (200, 202)

    def told(page):
        ended = "latchwork_invocations_completed_total"
        return [page.value(ended, handler=h, result=r)
                for h, r in [("hold", "killed"), ("echo", "cancelled"), ("sleep", "cancelled")]]

    eventually(lambda: told(scrape(server)) == [1, 1, 1])
    assert scrape(server).value("latchwork_attempts_ended_total", handler="hold", ending="aborted") == 1


def test_both_formats_say_the_same(seen):
    server = seen()
    server.ingress.call("Echo", "echo", 1)
    wait_counted(server)
    plain, opened = scrape(server), scrape(server, OPEN)
    assert plain.names() == opened.names()
    name = "latchwork_invocations_completed_total"
    assert plain.value(name, handler="echo") == opened.value(name, handler="echo") == 1
    units = {f.name: f.unit for f in opened.families.values() if f.unit}
    assert units["latchwork_log_size_bytes"] == "bytes"
    assert units["latchwork_invocation_duration_seconds"] == "seconds"


def test_invocations_are_counted_by_where_they_stand(seen):
    server = seen()
    server.ingress.send("Echo", "echo", 1, delay="1h")
    asleep = server.ingress.send_id("Timers", "sleep", 3_600_000)
    server.ingress.send("Timers", "sleep", 1, delay="1h")

    def counted():
        page = scrape(server)
        return [page.value("latchwork_invocations", service=service, status=status) for service, status in [
            ("Echo", "scheduled"), ("Timers", "scheduled"), ("Timers", "running"), ("Timers", "suspended")]]

    eventually(lambda: counted() in ([1, 1, 1, 0], [1, 1, 0, 1]))
    assert scrape(server).value("latchwork_invocations_count_age_seconds") < 60
    server.admin.inv("kill", asleep)


def test_handlers_beyond_the_cap_share_a_series(seen):
    server = seen(metrics_series_max="10")
    for handler in ("echo", "nothing", "size", "upper"):
        server.ingress.call("Echo", handler, "x")
    page = scrape(server)
    accepted = "latchwork_invocations_accepted_total"
    handlers = {dict(labels)["handler"] for name, labels in page.samples if name == accepted}
    assert handlers == {"echo", "nothing", "other"}
    assert page.value(accepted, handler="other") == 2
    assert page.value(accepted) == 4
    for name in page.names():
        if not name.endswith("_bucket"):
            assert sum(1 for n, labels in page.samples if n == name and "service" in dict(labels)) <= 15, name


def test_what_callers_invent_makes_no_series(seen):
    server = seen()
    before = len(scrape(server).samples)
    for i in range(30):
        assert server.ingress.raw("Nowhere", f"h{i}", 1).status_code == 404
        assert server.ingress.raw("Echo", f"h{i}", 1).status_code == 404
        assert server.admin.get(f"/nowhere/{i}").status_code == 404
    # one for each of: ingress 404 to calls, to what is no route, admin 404
    assert len(scrape(server).samples) <= before + 4


def test_dashboard_and_alerts_ask_for_what_there_is(seen):
    server = seen()
    server.ingress.call("Echo", "echo", 1)
    server.admin.query("SELECT 1 AS one")
    wait_counted(server)
    there = scrape(server).names()
    asked = {}
    for path in [*OPS.glob("grafana/*.json"), *OPS.glob("prometheus/*.y*ml")]:
        for name in re.findall(r"\blatchwork_[a-z0-9_]+", path.read_text()):
            asked.setdefault(name, path.name)
    assert len(asked) > 25
    missing = {name: file for name, file in asked.items() if name not in there}
    assert not missing
    board = json.loads((OPS / "grafana" / "latchwork.json").read_text())
    assert board["templating"]["list"][0]["type"] == "datasource"
    panels = [p for p in board["panels"] if p["type"] != "row"]
    assert len(panels) == len({p["id"] for p in panels}) >= 12
    for panel in panels:
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
        assert panel["description"], panel["title"]


# -- traces ------------------------------------------------------------------------------------


def one(spans):
    """The only span there is, once it is there."""
    assert len(spans) == 1, spans
    return spans[0]


def played(liar):
    """The attempts that came, in their order."""
    return sorted((a for of_one in liar.attempts.values() for a in of_one), key=lambda a: a.began)


def wait_for(collector, name, **wanted):
    return eventually(lambda: one(collector.named(name, **wanted)), what=f"{name} {wanted}")


def test_a_call_its_child_and_what_it_sends_make_a_tree_across_a_restart(seen, collector, probe, tag):
    server = seen(tracing_endpoint=collector.url, tracing_headers="x-token=a%20b",
                  tracing_service_name="shop")
    # the parent waits for a child that fails until the gate is open
    target = {"service": "Errs", "handler": "gated", "arg": {"tag": tag}}
    parent = server.ingress.send_id("Caller", "call", target, headers={"traceparent": PARENT,
                                                                       "tracestate": "v=1"})
    sender = server.ingress.send_id(
        "Caller", "send", {"service": "Echo", "handler": "echo", "arg": tag})
    sent = server.ingress.attach(sender)
    server.ingress.attach(sent)
    probe.wait(tag, 1)
    failed = eventually(lambda: collector.named("attempt Errs/gated", ending="failed")[0:1] or False)[0]
    server.restart()
    probe.open(tag)
    assert server.ingress.attach(parent) == "through"

    request = wait_for(collector, "send Caller/call")
    call = wait_for(collector, "Caller/call")
    child = wait_for(collector, "Errs/gated")
    rows = server.admin.query(f"SELECT trace_id FROM sys_invocation WHERE id = '{parent}'")
    assert [row["trace_id"] for row in rows] in ([], [TRACE])
    # the caller's trace goes on, from before the restart to after it
    assert (request.trace, request.parent, request.kind) == (TRACE, CALLER, SERVER)
    assert (call.trace, call.parent, call.kind) == (TRACE, request.id, INTERNAL)
    assert call.attributes["latchwork.invocation.id"] == parent
    assert call.attributes["latchwork.result"] == "succeeded" and not call.failed
    assert child.trace == TRACE and call.raw.trace_state == "v=1"
    last = wait_for(collector, "attempt Errs/gated", ending="completed")
    attempts = [s for s in collector.spans if s.name == "attempt Errs/gated"]
    assert {(s.trace, s.parent, s.kind) for s in attempts} == {(TRACE, child.id, CLIENT)}
    # the attempt that made the call is above the child; it may have been lost with the server
    of_call = [s for s in collector.spans if s.name == "attempt Caller/call"]
    assert {s.parent for s in of_call} == {call.id}
    assert child.parent not in {call.id, request.id, None}
    if child.parent not in {s.id for s in of_call}:
        assert 1 not in {s.attributes["latchwork.attempt"] for s in of_call}
    # a failed attempt says why, and what follows
    assert failed.failed and "is closed" in failed.raw.status.message
    assert failed.attributes["error.type"] == "500"
    assert failed.attributes["latchwork.attempt"] < last.attributes["latchwork.attempt"]
    assert failed.attributes["latchwork.deployment.id"].startswith("dp_")
    assert failed.attributes["latchwork.protocol.version"] >= 5
    assert "is closed" in failed.events["exception"]["exception.message"]
    assert failed.events["retry"]["latchwork.retry_at_unix_ms"] > 0
    assert not last.failed
    # what is sent has a trace of its own, which points to the attempt that sent it
    echoed = wait_for(collector, "Echo/echo")
    sends = one([s for s in collector.named("attempt Caller/send")])
    assert echoed.parent is None and echoed.trace != sends.trace
    assert echoed.links == [(sends.trace, sends.id)]
    assert echoed.attributes["latchwork.invocation.id"] == sent

    assert len({(s.trace, s.id) for s in collector.spans}) == len(collector.spans)
    for s in collector.spans:
        assert s.resource["service.name"] == "shop" and s.resource["service.version"]
        assert s.raw.start_time_unix_nano <= s.raw.end_time_unix_nano
    for r in collector.requests:
        assert r["path"] == "/v1/traces" and r["content-type"] == "application/x-protobuf"
        assert r["x-token"] == "a b"
    assert scrape(server).value("latchwork_spans_dropped_total") == 0


def test_an_endpoint_hears_of_the_attempt(seen, collector, liars):
    server = seen(tracing_endpoint=collector.url)
    liar = liars()
    service = liar.service().handler("work", honest)
    server.register(liar)
    server.ingress.call(service.name, "work", 1, headers={"traceparent": PARENT, "tracestate": "v=1"})
    attempt = wait_for(collector, f"attempt {service.name}/work")
    heard = one(played(liar)).headers
    assert heard["traceparent"] == f"00-{TRACE}-{attempt.id}-01"
    assert heard["tracestate"] == "v=1"


def test_a_caller_who_does_not_record_is_followed(seen, collector, liars):
    server = seen(tracing_endpoint=collector.url)
    liar = liars()
    service = liar.service().handler("work", honest)
    server.register(liar)
    server.ingress.call(service.name, "work", 1, headers={"traceparent": PARENT[:-1] + "0"})
    heard = one(played(liar)).headers["traceparent"]
    assert heard.startswith(f"00-{TRACE}-") and heard.endswith("-00")
    server.ingress.call("Echo", "echo", 1)
    wait_for(collector, "Echo/echo")
    assert TRACE not in {s.trace for s in collector.spans}


def test_without_a_collector_the_callers_trace_is_passed_on(seen, liars):
    server = seen()
    liar = liars()
    service = liar.service().handler("work", honest)
    server.register(liar)
    server.ingress.call(service.name, "work", 1, headers={"traceparent": PARENT})
    server.ingress.call(service.name, "work", 1)
    first, second = played(liar)
    assert first.headers["traceparent"] == PARENT
    assert "traceparent" not in second.headers


def test_a_collector_that_is_away_costs_spans_and_nothing_else(seen, collector):
    server = seen(tracing_endpoint=collector.url)
    collector.status = 400
    for i in range(20):
        assert server.ingress.call("Echo", "echo", i) == i
    dropped = "latchwork_spans_dropped_total"
    eventually(lambda: scrape(server).value(dropped, reason="refused") >= 60)
    assert scrape(server).value("latchwork_spans_exported_total") == 0
    collector.status = 503
    server.ingress.call("Echo", "echo", 1)
    eventually(lambda: collector.requests[-1]["status"] == 503)
    # what is tried again is not lost
    collector.status = 200
    wait_for(collector, "Echo/echo")
    eventually(lambda: scrape(server).value("latchwork_spans_exported_total") == 3)


def test_the_last_spans_are_sent_before_the_server_ends(seen, collector):
    server = seen(tracing_endpoint=collector.url)
    server.ingress.call("Echo", "echo", 1)
    assert server.terminate() == 0
    assert {s.name for s in collector.spans} == {"call Echo/echo", "Echo/echo", "attempt Echo/echo"}


# -- the log -----------------------------------------------------------------------------------


def test_lines_are_json_and_name_the_invocation(seen, tag):
    server = seen(log_format="json", log="info,latchwork_runtime=debug")
    secret = f"secret-{tag}"
    inv = server.ingress.send_id("Errs", "flaky", {"tag": tag, "failures": 1, "more": secret},
                                 headers={"x-secret": secret})
    server.ingress.attach(inv)
    deployment = server.admin.query(f"SELECT pinned_deployment_id AS d FROM sys_invocation WHERE id = '{inv}'")[0]["d"]
    assert server.terminate() == 0
    text = server.log.read_text()
    assert secret not in text
    # the greeting goes to stdout, up to where the data is; lines may come before it
    before, greeting = text.split("latchwork ", 1)
    greeting, rest = greeting.split("\ndata in ", 1)
    assert " takes calls at " in greeting
    lines = [json.loads(line) for line in before.splitlines() + rest.splitlines()[1:]]
    for line in lines:
        assert {"timestamp", "level", "target", "message"} <= line.keys(), line
    own = [line for line in lines if line.get("invocation.id") == inv]
    failed = one([line for line in own if line["message"].startswith("attempt failed")])
    assert (failed["service"], failed["handler"], failed["attempt"]) == ("Errs", "flaky", 1)
    assert failed["deployment"].startswith("dp_") and deployment in (None, failed["deployment"])
    assert failed["error"].endswith("not yet") and failed["code"] == 500 and failed["retry_in_ms"] > 0
    assert [line["attempt"] for line in own if line["message"] == "attempt started"] == [1, 2]
    assert one([line for line in own if line["message"] == "invocation completed"])["attempt"] == 2
