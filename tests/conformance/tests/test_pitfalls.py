"""The pitfalls of the protocol's specification (section 15), each with a test.

Most are seen from the other end of the wire: an endpoint that records every frame
(`harness/liar.py`). Where the released SDKs see the same, their test is named.

| pitfall | test |
| --- | --- |
| 1 close with an empty DATA frame | test_request_ends_with_an_empty_data_frame |
| 2 headers late, error bodies without end | test_headers_may_come_after_the_replay, test_error_status_counts_before_its_body_ends |
| 3 a blocked write stops no reading | test_endpoint_that_does_not_read_is_still_heard, test_endpoint_that_does_not_read_the_replay_is_still_heard |
| 4 exact content types, headers | test_requests_carry_the_key_of_the_target, test_requests_name_the_version_exactly, test_wrong_content_type_fails_the_attempt, test_wrong_content_type_of_the_manifest_is_refused |
| 5 reset after, end without a last message | test_reset_after_the_last_message_is_success; test_malformed.py::test_response_without_a_last_message_fails |
| 6 prior knowledge | test_clear_text_is_http2_with_prior_knowledge, test_http1_endpoint_without_the_switch_is_explained |
| 7 invoke as discovered | test_http1_endpoint_is_invoked_over_http1 |
| 8 an endpoint that never answers | test_silent_endpoint_is_given_up, test_endpoint_that_lets_nothing_in_is_given_up, test_endpoint_that_never_completes_a_message_is_given_up |
| 9 raw bytes and wrapped values | test_results_of_runs_and_parameters_are_wrapped |
| 10 empty values | test_empty_values_are_present |
| 11 fields of Call and OneWayCall | test_child_gets_what_the_command_says |
| 12 two layouts of Suspension | test_suspended_attempt_resumes; test_malformed.py::…[suspension_in_the_layout_of_v7], …[suspension_without_future_v7] |
| 13 absent and empty | test_malformed.py::…[call_with_an_empty_idempotency_key]; test_stored_bytes_are_replayed_as_they_came |
| 14 stored bytes verbatim | test_stored_bytes_are_replayed_as_they_came |
| 15 fields and messages by version | test_start_has_only_the_fields_of_its_version, test_failure_metadata_by_version, test_answer_to_a_proposal_by_version |
| 16 no CommandAck unasked | test_kinds_of_completions |
| 17 known_entries counts notifications | test_known_entries_counts_notifications |
| 18 no gap, no overlap | test_every_notification_comes_once_and_in_one_order |
| 19 reads see the log before them | test_lazy_reads_see_the_writes_before_them |
| 20 when state_map is taken | test_state_map_is_taken_when_the_attempt_starts |
| 21 state_map by kind of target | test_state_in_start_by_kind_of_target |
| 22 completions by the type of their command | test_kinds_of_completions |
| 23 late frames of an old attempt | test_late_frames_of_an_aborted_attempt_are_dropped, test_late_frames_after_a_kill_are_dropped |
| 24 all of an attempt is stored before the next | test_next_attempt_sees_all_that_is_ever_stored |
| 25 failed preconditions | test_calls.py::test_call_to_an_unknown_service_is_retried_until_it_exists; test_malformed.py::…[call_of_…], …[…_malformed_id] |
| 26 validate before logging | test_malformed.py, all of it |
| 27 suspension on what is stored | test_suspension_on_something_stored_resumes_at_once |
| 28 all combinators | test_future_wakes_when_it_is_done[all…], [all_success…] |
| 29 *either* means wake | test_future_wakes_when_it_is_done[…_either…] |
| 30 suspension on an unproposed run | test_malformed.py::…[suspension_on_an_open_run] |
| 31 AwaitingOn is a hint | test_awaiting_on_has_no_effect |
| 32 the two timeouts | test_inactivity_closes_and_the_run_still_counts, test_silent_endpoint_is_given_up; test_timeouts.py |
| 33 proposal and suspension in a row | test_inactivity_closes_and_the_run_still_counts |
| 34 retry_count | test_retry_count_is_reset_by_commands_only |
| 35 next_retry_delay | test_delay_asked_for_uses_up_no_attempt; test_run.py::test_attempts_are_bounded_by_the_policy |
| 36 maximal attempts | test_maximal_attempts_count_the_first_and_end_in_a_pause; test_pause_restart.py::test_kill_policy_ends_the_invocation |
| 37 pinning | test_attempt_without_progress_pins_nothing, test_version_is_pinned_by_progress; test_deployments.py::test_retries_stay_on_the_version |
| 38 cancel | test_cancel_wakes_a_paused_invocation, test_cancel_alone_finishes_nothing; test_cancel_kill.py::test_cancel_of_a_queued_invocation |
| 39 children | test_cancel_kill.py::test_cancel_reaches_the_callee, ::test_kill_of_a_tree_ends_the_descendants |
| 40 signals are not deduplicated | test_signals_are_not_deduplicated |
| 41 second start of a workflow | test_second_start_of_a_workflow_has_an_id_and_a_conflict |
| 42 second call with an idempotency key | test_second_call_with_an_idempotency_key |
| 43 ids in base62 | test_ids_in_text_and_binary |
| 44 awakeables and Start.id | test_start_id_is_the_same_in_all_attempts |
| 45 manifests are not compared as text | test_manifest_in_another_order_is_the_same |
| 46 `aud` without the base path | test_audience_is_without_the_base_path |
"""
import base64
import json
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

import pytest

from harness import wire
from harness.fixtures import ordinary_call_works
from harness.liar import CANCEL, LIMIT, NO_ERROR, Attempt, honest
from harness.probe import eventually
from harness.procs import service_dir
from harness.wire import (
    ALL, ALL_SUCCESS, CALL, CALL_ID, FIRST, FIRST_SUCCESS, INPUT, RUN, SLEEP, UNKNOWN, done_type, end, error, future,
    message, nested, num, output, output_failure, propose, run, sleep, suspension, suspension_on, text, value)

PAST = 1  # ms since 1970: due at once
FAR = 2 ** 50

SENDS_ALL = pytest.mark.peer_fails("it sends fields of version 6 in version 5")
versions_5_marked = pytest.mark.parametrize("version", [pytest.param(5, marks=SENDS_ALL), 6, 7])
versions = pytest.mark.parametrize("version", [5, 6, 7])


def soon(ms: int) -> int:
    return int(time.time() * 1000) + ms


def awakeable(a: Attempt, index: int) -> str:
    """The id that an SDK would make, from the bytes of Start."""
    raw = a.start.get(1) + index.to_bytes(4, "big")
    return "sign_1" + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def fails(a: Attempt):
    a.replay()
    a.done(error("not this time"))


def failing(why: str = "again", **kw):
    def script(a: Attempt):
        a.replay()
        a.done(error(why, **kw))
    return script


# -- 1 to 8: transport -------------------------------------------------------------

@versions
def test_request_ends_with_an_empty_data_frame(lied_to, liars, version):
    """After each of the three last messages; the response is still open then."""
    def suspends(a: Attempt):
        a.replay()
        a.done(sleep(1, PAST), suspension(version, [1]))

    inv = liars(max_version=version).play(lied_to, suspends, fails, honest)
    assert inv.result() == "honest"
    assert [inv.finished(n).closed for n in (1, 2, 3)] == ["empty data"] * 3


def test_headers_may_come_after_the_replay(lied_to, liars):
    """The reply's headers come with the first message, after a journal of some size."""
    def late(a: Attempt):
        a.replay()
        a.done(run(1, "r"), output(len(a.journal[0].body) > 200_000), end())

    inv = liars().play(lied_to, late, arg="x" * 200_000)
    assert inv.result() is True and len(inv.attempts) == 1


@pytest.mark.parametrize("status", [401, 404, 413, 415, 429, 500, 502, 503, 504, 302])
def test_error_status_counts_before_its_body_ends(lied_to, liars, status):
    def refuses(a: Attempt):
        a.answer(status, "text/plain")
        a.send(b"no")
        a.wait_closed()  # as some SDKs' servers do, which end their body only then
        if not a.broken:
            a.end()

    inv = liars().play(lied_to, refuses, honest)
    began = time.monotonic()
    assert inv.result() == "honest"
    assert time.monotonic() - began < 4
    assert inv.attempt(1).finished.wait(LIMIT)


@pytest.mark.parametrize("version", [6, 7])
def test_endpoint_that_does_not_read_is_still_heard(lied_to, liars, version):
    """The answers to its proposals are megabytes, the window is 64 KiB, and it reads none of them."""
    def talks(a: Attempt):
        a.replay()
        for i in range(1, 41):
            a.send(run(i, "big"), propose(i, b"y" * 100_000))
        a.send(output("heard"), end())
        a.wait_closed()
        a.end()

    inv = liars(max_version=version).play(lied_to, talks, honest)
    assert inv.result() == "heard" and len(inv.attempts) == 1


def test_endpoint_that_does_not_read_the_replay_is_still_heard(lied_to, liars):
    """It gives up before it has read the journal, which is larger than the window."""
    def gives_up(a: Attempt):
        a.send(error("too long for me"))
        a.wait_closed()
        if not a.broken:
            a.end()

    inv = liars().play(lied_to, gives_up, honest, arg="x" * 1_000_000)
    assert inv.result() == "honest" and len(inv.attempts) == 2


@versions
def test_requests_name_the_version_exactly(lied_to, liars, version):
    liar = liars(max_version=version)
    inv = liar.play(lied_to, honest)
    assert inv.result() == "honest"
    said = f"application/vnd.restate.invocation.v{version}"
    headers = inv.attempts[0].headers
    assert (headers["content-type"], headers["accept"]) == (said, said)
    assert headers["x-restate-invocation-id"] == inv.id
    offered = [x.strip() for x in liar.discoveries[0]["accept"].split(",")]
    assert sorted(offered) == [f"application/vnd.restate.endpointmanifest.v{n}+json" for n in (1, 2, 3, 4)]


@pytest.mark.parametrize("key, said", [("plain", "plain"), ("the key/ü%", "the%20key%2F%C3%BC%25"), ("", "")])
def test_requests_carry_the_key_of_the_target(lied_to, liars, key, said):
    """So that a proxy can route by it; percent-encoded, and also when it is empty."""
    liar = liars()
    child = liar.service("VIRTUAL_OBJECT").handler("work", lambda a: (
        a.replay(), a.done(output([a.headers.get("x-restate-service-key"), (a.start.get(6) or b"").decode()]), end())))

    def parent(a: Attempt):
        assert "x-restate-service-key" not in a.headers, "a plain service has none"
        a.replay()
        a.send(wire.call(child.name, "work", b"", 1, 2, key=key))
        a.done(output(json.loads(a.notifications(2)[1].get(5, 1))), end())

    assert liar.play(lied_to, parent).result() == [said, key]


@pytest.mark.parametrize("said", [
    None, "application/json", "application/vnd.restate.invocation.v7", "application/vnd.restate.invocation.v60",
    "application/vnd.restate.invocation.v6; charset=utf-8"])
def test_wrong_content_type_fails_the_attempt(lied_to, liars, said):
    def answers(a: Attempt):
        a.replay()
        a.answer(200, said)
        a.send(output("lie"), end())
        a.wait_closed()
        if not a.broken:
            a.end()

    inv = liars().play(lied_to, answers, honest)
    assert inv.result() == "honest" and len(inv.attempts) == 2


@pytest.mark.parametrize("said", [
    "application/json", "application/vnd.restate.endpointmanifest.v5+json",
    "application/vnd.restate.endpointmanifest.v4+json; charset=utf-8"])
def test_wrong_content_type_of_the_manifest_is_refused(lied_to, liars, said):
    liar = liars()
    liar.service().handler("work", honest)
    liar.discovery_type = said
    r = lied_to.admin.register_raw(liar.url)
    assert r.status_code >= 400 and "content-type" in r.text.lower().replace(" ", "-")


@pytest.mark.parametrize("code", [NO_ERROR, CANCEL], ids=["no_error", "cancel"])
@pytest.mark.parametrize("when", ["at_once", "after_the_request"])
def test_reset_after_the_last_message_is_success(lied_to, liars, code, when):
    def last(*messages):
        def script(a: Attempt):
            a.replay()
            a.send(*messages)
            if when == "after_the_request":
                a.wait_closed()
            a.reset(code)
        return script

    inv = liars().play(
        lied_to, last(sleep(1, soon(50)), suspension(6, [1], [1])), last(error("x", delay=30)),
        last(output("done"), end()), honest)
    result = inv.result()
    if when == "at_once":
        # what was on its way may be lost with the stream: then the attempt has failed, no more
        assert result in ("done", "honest")
    else:
        assert result == "done"
        assert [a.start.get(7) or 0 for a in inv.attempts] == [0, 0, 1]


def test_clear_text_is_http2_with_prior_knowledge(lied_to, liars):
    liar = liars()
    assert liar.play(lied_to, honest).result() == "honest"
    assert set(liar.first_bytes) == {b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}


def test_http1_endpoint_without_the_switch_is_explained(lied_to, liars):
    liar = liars(http1=True)
    liar.service().handler("work", honest)
    r = lied_to.admin.register_raw(liar.url)
    assert r.status_code >= 400 and "message" in r.json()


@pytest.mark.parametrize("mode", ["BIDI_STREAM", "REQUEST_RESPONSE"])
def test_http1_endpoint_is_invoked_over_http1(lied_to, liars, mode):
    def suspends(a: Attempt):
        a.replay()
        a.send(run(1, "r"), propose(1, b'"v"'))
        if mode == "BIDI_STREAM":
            assert a.expect(done_type(RUN)).get(5, 1) == b'"v"'
            a.done(output("v"), end())
        else:
            assert a.take() is None
            a.done(suspension(6, [1], [1]))

    def resumed(a: Attempt):
        assert [f.kind for f in a.replay()] == [INPUT, RUN, done_type(RUN)]
        a.done(output("v"), end())

    liar = liars(http1=True, mode=mode)
    inv = liar.play(lied_to, suspends, resumed)
    assert inv.result() == "v"
    assert len(inv.attempts) == (1 if mode == "BIDI_STREAM" else 2)
    assert all(a.headers[":version"] == "HTTP/1.1" for a in inv.attempts)
    assert all(not b.startswith(b"PRI") for b in liar.first_bytes)


@pytest.mark.peer_fails("it waits five seconds for each")
def test_response_that_does_not_end_delays_nobody(lied_to, liars):
    """After the last message only the response's end is missing: nobody waits for it for long."""
    def lingers(*last):
        def script(a: Attempt):
            a.replay()
            a.send(*last)
            a.wait_closed()
        return script

    inv = liars().play(lied_to, lingers(sleep(1, PAST), suspension(6, [1])), lingers(error("x")),
                       lingers(output("done"), end()))
    began = time.monotonic()
    assert inv.result() == "done"
    assert time.monotonic() - began < LIMIT


def test_informational_responses_are_passed_over(lied_to, liars):
    def informs(a: Attempt):
        a.replay()
        a.inform(103, link="</x>")
        a.inform(102)
        a.done(output("informed"), end())

    inv = liars().play(lied_to, informs)
    assert inv.result() == "informed" and len(inv.attempts) == 1


@pytest.mark.parametrize("last", [True, False], ids=["after_the_last_message", "instead_of_a_last_message"])
def test_trailers_of_a_response_say_nothing(lied_to, liars, last):
    def trails(a: Attempt):
        a.replay()
        a.send(run(1), *([output("done"), end()] if last else []))
        if last:
            a.wait_closed()
        a.end(grpc_status="0")

    inv = liars().play(lied_to, trails, honest)
    assert inv.result() == ("done" if last else "honest")


def test_stream_that_never_ends_is_broken_off(lied_to, liars):
    """So that an endpoint cannot keep streams for ever: after the last message they get some seconds."""
    def lingers(a: Attempt):
        a.replay()
        a.send(output("done"), end())
        a.wait_closed()
        a.wait_reset()

    inv = liars().play(lied_to, lingers)
    assert inv.result() == "done"
    inv.finished(1)


def test_endpoint_that_lets_nothing_in_is_given_up(lied_to, liars):
    """The journal is larger than the window and nothing of it is read: no request can be closed."""
    def deaf(a: Attempt):
        a.wait_reset()

    inv = liars().play(lied_to, deaf, honest, arg="x" * 1_000_000, inactivityTimeout=150, abortTimeout=250)
    assert inv.result() == "honest"


@pytest.mark.parametrize("how", ["stops", "drips"])
def test_endpoint_that_never_completes_a_message_is_given_up(lied_to, liars, how):
    """Only messages count as activity: single bytes of one, now and then, are silence."""
    def says_half(a: Attempt):
        a.replay()
        whole = run(1, "x" * 2000)
        a.send(whole[:20])
        for at in range(20, len(whole)):
            if a.torn:
                return
            if how == "drips":
                a.send(whole[at:at + 1])
                a.wait_reset(0.04, must=False)
        a.wait_reset()

    inv = liars().play(lied_to, says_half, honest, inactivityTimeout=150, abortTimeout=250)
    assert inv.result() == "honest"


def test_few_streams_on_a_connection_are_no_deadlock(lied_to, liars):
    """Two streams at a time, and a chain of five calls that wait for each other."""
    liar = liars(streams=2)
    service = liar.service()

    def calls(a: Attempt):
        left = int(a.replay()[0].get(14, 1))
        if left:
            a.send(wire.call(service.name, "work", b"%d" % (left - 1), 1, 2))
            a.notifications(2)
        a.done(output(left), end())

    service.handler("work", calls)
    lied_to.register(liar)
    assert liar.send(lied_to, service, arg=5).result() == 5
    assert len(liar.attempts) == 6 and all(len(a) == 1 for a in liar.attempts.values())


@pytest.mark.peer_fails("it breaks the attempts on the connection off")
def test_goaway_lets_attempts_finish_and_others_come(lied_to, liars):
    """What a proxy or a server does that is about to restart."""
    liar = liars()
    second_done = threading.Event()

    def first(a: Attempt):
        a.replay()
        a.go_away()
        assert second_done.wait(LIMIT)
        a.done(run(1), output("first"), end())

    service = liar.service().handler("work", first).handler("other", honest)
    lied_to.register(liar)
    inv = liar.send(lied_to, service)
    inv.attempt(1)
    assert liar.send(lied_to, service, "other").result() == "honest"
    second_done.set()
    assert inv.result() == "first" and len(inv.attempts) == 1


def test_idle_connection_that_was_closed_costs_no_attempt(lied_to, liars):
    def quits(a: Attempt):
        a.replay()
        a.done(output("quit"), end())
        a.hang_up()

    liar = liars()
    service = liar.service().handler("work", quits)
    lied_to.register(liar)
    for _ in range(5):
        inv = liar.send(lied_to, service)
        assert inv.result() == "quit"
        inv.finished(1)


@pytest.mark.parametrize("answers", [True, False], ids=["after_its_headers", "before_its_headers"])
def test_silent_endpoint_is_given_up(lied_to, liars, answers):
    def silent(a: Attempt):
        a.replay()
        if answers:
            a.answer()
        assert a.wait_closed() == "empty data", "the inactivity timeout closes the request"
        eventually(lambda: len(a.liar.attempts[a.id]) > 1, LIMIT, what="the abort timeout")

    inv = liars().play(lied_to, silent, honest, inactivityTimeout=150, abortTimeout=250)
    assert inv.result() == "honest"
    assert inv.attempts[1].began - inv.attempts[0].closed_at >= 0.2


# -- 9 to 16: framing and encoding ----------------------------------------------------

def test_results_of_runs_and_parameters_are_wrapped(lied_to, liars):
    liar = liars()
    child = liar.service().handler("work", lambda a: a.done(output(a.replay()[0].get(14, 1)), end()))

    def parent(a: Attempt):
        a.replay()
        a.send(run(1), propose(1, b"\x00raw\xff"), wire.call(child.name, "work", b"\x0a\x01\xff", 2, 3))
        got = {}
        while len(got) < 3:
            n = a.take()
            got[n.identity] = n
        assert got[1].get(5, 1) == b"\x00raw\xff"
        assert got[3].get(5, 1) == b"\x0a\x01\xff"
        a.done(output("ok"), end())

    assert liar.play(lied_to, parent).result() == "ok"


@versions
def test_empty_values_are_present(lied_to, liars, version):
    liar = liars(max_version=version)

    def child(a: Attempt):
        assert a.replay()[0].get(14) == b"", "the Input of no body is an empty value, not none"
        a.done(output(b""), end())

    service = liar.service().handler("work", child)
    seen = []

    def parent(a: Attempt):
        assert a.replay()[0].get(14) == b""
        a.send(wire.call(service.name, "work", b"", 1, 2), run(3), propose(3, b""))
        got = {}
        while len(got) < 3:
            n = a.take()
            got[n.identity] = n
        assert (got[2].get(5), got[3].get(5)) == (b"", b""), "results are present"
        seen.append(awakeable(a, 17))
        n = a.expect(wire.SIGNAL)
        assert n.get(2) == 17 and n.get(5) == b"" and n.get(4) is None
        a.done(output(b""), end())

    inv = liar.play(lied_to, parent)
    eventually(lambda: bool(seen) or bool(liar.problems), LIMIT)
    assert not liar.problems, liar.problems
    assert lied_to.ingress.resolve(seen[0]).status_code == 202
    r = inv.raw()
    assert (r.status_code, r.content) == (200, b"")


@pytest.mark.parametrize("how", ["call", "send"])
def test_child_gets_what_the_command_says(lied_to, liars, how):
    """The fields from 4 on differ between the two commands."""
    liar = liars()
    child = liar.service("VIRTUAL_OBJECT").handler(
        "work", lambda a: a.done(output({
            "parameter": a.replay()[0].get(14, 1).decode(),
            "headers": [[wire.fields(h)[n][0].decode() for n in (1, 2)] for h in a.journal[0].all(1)],
            "key": a.start.get(6).decode()}), end()))
    child_id = []

    def parent(a: Attempt):
        a.replay()
        kw = dict(key="the key/ü", idempotency_key="once", headers={"one": "1", "two": "zwei"})
        if how == "call":
            a.send(wire.call(child.name, "work", b"param", 1, 2, **kw))
        else:
            a.send(wire.send(child.name, "work", b"param", 1, at_ms=soon(30), **kw))
        child_id.append(a.expect(CALL_ID).get(16).decode())
        if how == "call":
            assert a.expect(done_type(CALL)).get(1) == 2
        a.done(output("ok"), end())

    assert liar.play(lied_to, parent).result() == "ok"
    got = lied_to.ingress.attach(child_id[0])
    assert got == {"parameter": "param", "headers": [["one", "1"], ["two", "zwei"]], "key": "the key/ü"}
    assert lied_to.ingress.by_idem("output", child.name, "work", "once", key="the key/ü").json() == got


@versions
@pytest.mark.parametrize("on", ["completion", "signal", "name"])
def test_suspended_attempt_resumes(lied_to, liars, version, on):
    """Both layouts of Suspension, with each of their lists."""
    liar = liars(max_version=version)
    ids = []

    def suspends(a: Attempt):
        a.replay()
        ids.append(awakeable(a, 17))
        await_on = {"completion": ([1], [], []), "signal": ([], [17, 1], []), "name": ([], [1], ["n"])}[on]
        a.done(sleep(1, soon(60) if on == "completion" else FAR), suspension(version, *await_on))

    def resumed(a: Attempt):
        got = a.replay()
        assert [f.kind for f in got][:2] == [INPUT, SLEEP] and len(got) == 3
        assert got[2].identity == {"completion": 1, "signal": ("signal", 17), "name": ("signal", b"n")}[on]
        a.done(output("resumed"), end())

    inv = liar.play(lied_to, suspends, resumed)
    if on != "completion":
        inv.wait_status("suspended")
    if on == "signal":
        assert lied_to.ingress.resolve(ids[0], 1).status_code == 202
    if on == "name":
        signal = message(wire.SIGNAL_TO, text(1, inv.id), text(3, "n"), value(5, 1))
        liar.play(lied_to, lambda a: (a.replay(), a.done(signal, output(1), end())))
    assert inv.result() == "resumed"
    assert len(inv.attempts) == 2 and not inv.attempts[1].start.get(7)


def unknown_field(frame: bytes) -> bytes:
    """The same message with a field that no version knows, and one number in a longer form than needed."""
    body = frame[8:] + text(99, "what is this") + b"\xa0\x06\x81\x80\x00"
    return frame[:4] + len(body).to_bytes(4, "big") + body


@pytest.mark.peer_fails("it writes calls anew, without what it does not know")
@versions
def test_stored_bytes_are_replayed_as_they_came(lied_to, liars, version):
    liar = liars(max_version=version)
    child = liar.service().handler("work", honest)
    other = "inv_10BnVMHtxjjO0HyUJWli0aN6NpK3xqX1zy"
    said = [unknown_field(m) for m in [
        run(1, "r"), sleep(2, FAR), wire.set_state("k", "v"), wire.get_state(3, "k"),
        message(wire.GET_KEYS, num(11, 4)), message(wire.EAGER_STATE, text(1, "k"), value(14, "v")),
        message(wire.EAGER_KEYS, nested(14, text(1, "k"))), message(wire.CLEAR_STATE, text(1, "k")),
        message(wire.CLEAR_ALL, text(12, "label")),
        wire.get_promise(5, "p"), message(wire.PEEK_PROMISE, text(1, "q"), num(11, 6)),
        wire.complete_promise(7, "p", 1),
        wire.call(child.name, "work", b"1", 8, 9, headers={"h": ""}),
        wire.send(child.name, "work", b"", 10, idempotency_key="i", at_ms=PAST),
        message(wire.SIGNAL_TO, text(1, other), num(2, 17), value(5, 1), text(12, "label")),
        message(wire.ATTACH, text(1, other), num(11, 11)), message(wire.GET_OUTPUT, text(1, other), num(11, 12)),
        message(wire.COMPLETE_AWAKEABLE, text(1, "sign_1AAECAwQFBgcICQoLDA0ODxAREhMUFRYXAAAAEQ"), value(2, b"")),
    ]]
    # a number in another order, and a field twice: the last one counts, both are kept
    said.append(message(RUN, text(12, "first"), num(11, 13), text(12, "second")))

    def says(a: Attempt):
        a.replay()
        a.done(*said, error("replay it"))

    def checks(a: Attempt):
        a.replay()
        a.done(output([f.body.hex() for f in a.journal[1:] if not f.is_notification]), end())

    got = liar.play(lied_to, says, checks, ty="WORKFLOW").result()
    assert got == [m[8:].hex() for m in said]


@versions_5_marked
@pytest.mark.parametrize("ty", ["SERVICE", "VIRTUAL_OBJECT", "WORKFLOW"])
def test_start_has_only_the_fields_of_its_version(lied_to, liars, version, ty):
    inv = liars(max_version=version).play(lied_to, fails, honest, ty=ty)
    assert inv.result() == "honest"
    for a in inv.attempts:
        assert a.version == version
        assert set(a.start.fields) <= {1, 2, 3, 4, 5, 6, 7, 8} | ({9} if version >= 6 else set()) | (
            {10, 11, 12} if version >= 7 else set())
    seeds = [a.start.get(9) for a in inv.attempts]
    assert seeds[0] == seeds[1] and (seeds[0] is not None) == (version >= 6)
    assert (inv.attempts[0].start.get(6) is None) == (ty == "SERVICE")


@versions_5_marked
def test_failure_metadata_by_version(lied_to, liars, version):
    """A version 5 SDK that meets metadata fails; it must not see those of a newer one's child."""
    newer = liars(max_version=6)
    child = newer.service().handler("work", lambda a: (
        a.replay(), a.done(output_failure(418, "teapot", brand="b"), end())))
    lied_to.register(newer)

    def parent(a: Attempt):
        a.replay()
        a.send(wire.call(child.name, "work", b"", 1, 2))
        a.expect(CALL_ID)
        live = a.expect(done_type(CALL)).get(6)
        a.done(error("and now replayed"), *([] if live else [end()]))

    def again(a: Attempt):
        f = wire.fields([n for n in a.replay() if n.kind == done_type(CALL)][0].get(6))
        a.done(output({"code": f[1][0], "message": f[2][0].decode(), "metadata": 3 in f}), end())

    liar = liars(max_version=version)
    inv = liar.play(lied_to, parent, again)
    assert inv.result() == {"code": 418, "message": "teapot", "metadata": version >= 6}
    live = [f for f in inv.attempts[0].frames if f.kind == done_type(CALL)][0]
    assert (3 in wire.fields(live.get(6))) == (version >= 6)


@pytest.mark.parametrize("version, flags", [(5, 0), (6, 0), (7, 0), (7, wire.ACK)],
                         ids=["5", "6", "7", "7_with_the_flag"])
def test_answer_to_a_proposal_by_version(lied_to, liars, version, flags):
    def proposes(a: Attempt):
        a.replay()
        a.send(run(1), run(2), propose(2, b"two", flags), propose(1, b"one", flags))
        got = [a.take(), a.take()]
        assert [f.get(1) for f in got] == [2, 1], "in the order of the proposals"
        assert all(f.kind == (wire.PROPOSE_ACK if flags else done_type(RUN)) for f in got)
        if not flags:
            assert [f.get(5, 1) for f in got] == [b"two", b"one"]
        a.done(error("and now replayed"))

    def again(a: Attempt):
        got = [(f.identity, f.get(5, 1).decode()) for f in a.replay() if f.kind == done_type(RUN)]
        a.done(output(got), end())

    assert liars(max_version=version).play(lied_to, proposes, again).result() == [[2, "two"], [1, "one"]]


# -- 16 to 25: journal ---------------------------------------------------------------

@versions
def test_kinds_of_completions(lied_to, liars, version):
    """Each command's completion has its type; nothing else comes, no CommandAck in particular."""
    liar = liars(max_version=version)
    child = liar.service().handler("work", honest)
    other = "inv_10BnVMHtxjjO0HyUJWli0aN6NpK3xqX1zy"
    said = [
        (sleep(1, PAST), {1: done_type(SLEEP)}), (wire.get_state(2, "none"), {2: done_type(wire.GET_STATE)}),
        (message(wire.GET_KEYS, num(11, 3)), {3: done_type(wire.GET_KEYS)}),
        (message(wire.PEEK_PROMISE, text(1, "p"), num(11, 4)), {4: done_type(wire.PEEK_PROMISE)}),
        (wire.complete_promise(5, "p", "v"), {5: done_type(wire.COMPLETE_PROMISE)}),
        (wire.get_promise(6, "p"), {6: done_type(wire.GET_PROMISE)}),
        (wire.call(child.name, "work", b"", 7, 8), {7: CALL_ID, 8: done_type(CALL)}),
        (wire.send(child.name, "work", b"", 9), {9: CALL_ID}),
        (message(wire.ATTACH, text(1, other), num(11, 10)), {10: done_type(wire.ATTACH)}),
        (message(wire.GET_OUTPUT, text(1, other), num(11, 11)), {11: done_type(wire.GET_OUTPUT)}),
        (run(12), {}), (propose(12, b"r"), {12: done_type(RUN)}),
    ]
    wanted = {k: v for _, w in said for k, v in w.items()}

    def all_of_them(a: Attempt):
        a.replay()
        a.send(*(m for m, _ in said))
        got = a.notifications(len(wanted))
        assert {f.identity: f.kind for f in got} == wanted
        by_id = {f.identity: f for f in got}
        assert by_id[2].get(4) == b"" and by_id[4].get(4) == b"" and by_id[5].get(4) == b""
        assert by_id[3].get(17) == b"" and by_id[6].get(5, 1) == b'"v"'
        assert by_id[10].get(6, 1) == 404 and by_id[11].get(6, 1) == 404
        a.done(output("all"), end())
        # exactly one identity and one result each, and nothing else was ever sent
        for f in got:
            assert len({1, 2, 3} & set(f.fields)) == 1 and len({4, 5, 6, 16, 17} & set(f.fields)) == 1
        assert len(a.frames) == 2 + len(wanted)

    inv = liar.play(lied_to, all_of_them, ty="WORKFLOW")
    assert inv.result() == "all"
    inv.finished(1)


def test_known_entries_counts_notifications(lied_to, liars):
    def first(a: Attempt):
        a.replay()
        a.send(sleep(1, PAST), run(2), propose(2, b"x"))
        a.notifications(2)
        a.done(error("replay it"))

    def second(a: Attempt):
        assert a.replay()[0].kind == INPUT and a.start.get(3) == 5
        assert sorted(a.kinds()) == sorted([INPUT, SLEEP, done_type(SLEEP), RUN, done_type(RUN)])
        assert a.kinds().index(SLEEP) < a.kinds().index(done_type(SLEEP))
        a.done(sleep(3, PAST), error("is the request still in step?"))

    def third(a: Attempt):
        assert a.start is None and len(a.replay()) == a.start.get(3)
        a.done(output("counted"), end())

    assert liars().play(lied_to, first, second, third).result() == "counted"


@pytest.mark.parametrize("version", [6, 7])
def test_every_notification_comes_once_and_in_one_order(lied_to, liars, version):
    """Signals rain while attempts begin and end: the cut between replay and live must not show."""
    liar, n, step = liars(max_version=version), 120, 7
    ids, ready = [], threading.Event()
    seen: list[list] = []

    def attempt(a: Attempt):
        a.replay()
        if a.number == 1:
            ids.extend(awakeable(a, 17 + i) for i in range(n))
            ready.set()
        got = [f.identity[1] for f in a.journal if f.is_notification]
        seen.append(got)
        want = min(n, len(got) + step)
        while len(got) < want:
            got.append(a.expect(wire.SIGNAL).get(2))
        if len(got) == n:
            a.done(output("all"), end())
        else:
            a.done(suspension(version, (), [17 + i for i in range(n) if 17 + i not in got]))

    inv = liar.play(lied_to, attempt)
    assert ready.wait(LIMIT)
    with ThreadPoolExecutor(4) as pool:
        assert {r.status_code for r in pool.map(lambda i: lied_to.ingress.resolve(i, 1), ids)} == {202}
    assert inv.result() == "all"
    order = max(seen, key=len)
    assert sorted(order) == list(range(17, 17 + n)), "each once"
    for got in seen:
        assert got == order[:len(got)], "the same order in every attempt, live or replayed"
    assert len(seen) > 3


def test_lazy_reads_see_the_writes_before_them(lied_to, liars):
    def reads(a: Attempt):
        a.replay()
        a.send(wire.get_state(1, "k"), wire.set_state("k", 1), wire.get_state(2, "k"), wire.set_state("k", 2),
               wire.get_state(3, "k"), message(wire.GET_KEYS, num(11, 4)), message(wire.CLEAR_STATE, text(1, "k")),
               wire.get_state(5, "k"), wire.set_state("j", 3), wire.set_state("i", b""), message(wire.GET_KEYS, num(11, 6)),
               wire.get_state(7, "i"), message(wire.CLEAR_ALL), message(wire.GET_KEYS, num(11, 8)))
        got = {f.identity: f for f in a.notifications(8)}
        assert [got[i].get(4) for i in (1, 5)] == [b"", b""], "void"
        assert [got[i].get(5, 1) for i in (2, 3)] == [b"1", b"2"]
        assert got[7].get(5) == b"", "empty, but there"
        assert [sorted(wire.fields(got[i].get(17)).get(1, [])) for i in (4, 6, 8)] == [[b"k"], [b"i", b"j"], []]
        a.done(output("read"), end())

    assert liars().play(lied_to, reads, ty="VIRTUAL_OBJECT", enableLazyState=True).result() == "read"


def state_of(a: Attempt) -> dict[str, str]:
    entries = [wire.fields(e) for e in a.start.all(4)]
    return {e[1][0].decode(): e.get(2, [b""])[0].decode() for e in entries}


def test_state_map_is_taken_when_the_attempt_starts(lied_to, liars, key):
    liar = liars()
    waiting = threading.Event()

    def writes(a: Attempt):
        a.replay()
        waiting.wait(LIMIT)
        a.done(wire.set_state("mine", 1), wire.set_state("empty", b""), error("once more"))

    def sees_its_own(a: Attempt):
        a.replay()
        a.done(wire.set_state("later", 2), output(state_of(a)), end())

    def looks(a: Attempt):
        a.replay()
        a.done(output([state_of(a), a.start.get(5) or 0]), end())

    service = liar.service("VIRTUAL_OBJECT").handler("work", writes, sees_its_own).handler("look", looks)
    lied_to.register(liar)
    one = liar.send(lied_to, service, key=key)
    one.attempt(1)
    # accepted before the first has written anything
    two = liar.send(lied_to, service, "look", key=key)
    waiting.set()
    assert one.result() == {"mine": "1", "empty": ""}
    assert two.result() == [{"mine": "1", "empty": "", "later": "2"}, 0]


@pytest.mark.parametrize("ty, options, partial", [
    ("SERVICE", {}, True), ("VIRTUAL_OBJECT", {}, False), ("WORKFLOW", {}, False),
    ("VIRTUAL_OBJECT", {"enableLazyState": True}, True)], ids=["service", "object", "workflow", "lazy_object"])
def test_state_in_start_by_kind_of_target(lied_to, liars, ty, options, partial):
    writes = [wire.set_state("k", "v")] if ty != "SERVICE" else []

    def first(a: Attempt):
        a.replay()
        a.done(*writes, error("look at the next Start"))

    inv = liars().play(lied_to, first, honest, ty=ty, **options)
    assert inv.result() == "honest"
    start = inv.attempts[1].start
    assert bool(start.get(5)) == partial
    assert state_of(inv.attempts[1]) == ({} if partial else {"k": '"v"'})


def test_late_frames_of_an_aborted_attempt_are_dropped(lied_to, liars):
    """The old attempt goes on talking on its reset stream while the new one runs."""
    new_runs, old_done = threading.Event(), threading.Event()

    def old(a: Attempt):
        a.replay()
        a.answer()
        assert a.wait_closed() == "empty data"
        assert new_runs.wait(LIMIT)
        a.send_after_reset(run(1, "old"), output("old"), suspension(6, [], [1]), end())
        old_done.set()

    def new(a: Attempt):
        a.replay()
        new_runs.set()
        assert old_done.wait(LIMIT)
        a.send(run(1, "new"), propose(1, b"x"))
        a.expect(done_type(RUN))
        a.done(error("what is stored?"))

    def last(a: Attempt):
        assert [f.get(12) for f in a.replay() if f.kind == RUN] == [b"new"]
        assert a.kinds() == [INPUT, RUN, done_type(RUN)]
        a.done(output("new"), end())

    inv = liars().play(lied_to, old, new, last, inactivityTimeout=400, abortTimeout=100)
    assert inv.result() == "new"
    assert ordinary_call_works(lied_to)


def test_late_frames_after_a_kill_are_dropped(lied_to, liars, key):
    liar = liars()

    def stubborn(a: Attempt):
        a.replay()
        a.send(wire.set_state("before", 1))
        a.wait_closed()
        a.send_after_reset(wire.set_state("after", 1), output("late"), end())

    service = liar.service("VIRTUAL_OBJECT").handler("work", stubborn).handler(
        "look", lambda a: (a.replay(), a.done(output(state_of(a)), end())))
    lied_to.register(liar)
    inv = liar.send(lied_to, service, key=key)
    eventually(lambda: len(lied_to.admin.query(
        f"SELECT key FROM state WHERE service_name = '{service.name}' AND service_key = '{key}'")) == 1)
    assert lied_to.admin.inv("kill", inv.id).status_code == 200
    r = inv.raw()
    assert (r.status_code, r.json()["message"]) == (409, "killed")
    a = inv.finished(1)
    assert a.closed == f"reset {CANCEL}"
    # the key is free, and holds what was stored before the kill
    assert liar.send(lied_to, service, "look", key=key).result() == {"before": "1"}
    assert inv.raw().status_code == 409


@pytest.mark.parametrize("how", ["reset", "hang_up", "error"])
def test_next_attempt_sees_all_that_is_ever_stored(lied_to, liars, how):
    """A burst, cut off at once: what of it counts is decided before the next attempt starts."""
    def burst(a: Attempt):
        a.replay()
        for i in range(1, 201):
            a.send(run(i, f"r{i}"), propose(i, b"%d" % i))
        if how == "error":
            a.done(error("cut"))
        else:
            getattr(a, how)()

    def continues(a: Attempt):
        runs = [f.get(11) for f in a.replay() if f.kind == RUN]
        done = [f.identity for f in a.journal if f.is_notification]
        assert runs == list(range(1, len(runs) + 1)), "a prefix of the burst"
        assert done == list(range(1, len(done) + 1)) and len(runs) - len(done) in (0, 1)
        assert how != "error" or len(done) == 200, "what was sent before the Error counts"
        a.done(run(1001, "next"), error("once more"))

    def last(a: Attempt):
        before = a.liar.attempts[a.id][1].journal
        after = a.replay()
        assert [(f.kind, f.body) for f in after[:-1]] == [(f.kind, f.body) for f in before]
        assert after[-1].get(11) == 1001
        a.done(output("consistent"), end())

    assert liars().play(lied_to, burst, continues, last).result() == "consistent"


# -- 27 to 33: waiting -----------------------------------------------------------------

@versions
def test_suspension_on_something_stored_resumes_at_once(lied_to, liars, version):
    """The completion and the suspension cross on the wire."""
    def crosses(a: Attempt):
        a.replay()
        a.send(sleep(1, PAST))
        a.expect(done_type(SLEEP))
        a.done(sleep(2, FAR), suspension(version, [1, 2], [1]))

    inv = liars(max_version=version).play(lied_to, crosses, honest)
    began = time.monotonic()
    assert inv.result() == "honest"
    assert time.monotonic() - began < 3
    assert not inv.attempts[1].start.get(7), "a suspension is no failure"


SUCCESS, FAILURE = "success", "failure"
EITHER = future(UNKNOWN, signals=[17, 18])

FUTURES = [
    # name, what is awaited, what comes, after how many of these it must wake
    ("first", future(FIRST, signals=[17, 18]), [(17, SUCCESS)], 1),
    ("first_of_names_and_ids", future(FIRST, [1], [17], ["n"]), [(17, FAILURE)], 1),
    ("all", future(ALL, signals=[17, 18]), [(17, SUCCESS), (18, SUCCESS)], 2),
    ("all_of_three", future(ALL, signals=[17, 18, 19]), [(18, FAILURE), (19, SUCCESS), (17, SUCCESS)], 3),
    ("all_nested", future(ALL, signals=[17], children=[future(FIRST, signals=[18, 19])]),
     [(18, SUCCESS), (17, SUCCESS)], 2),
    ("all_within_first_with_cancel", future(FIRST, signals=[1], children=[future(ALL, signals=[17, 18])]),
     [(18, SUCCESS), (17, SUCCESS)], 2),
    ("first_success", future(FIRST_SUCCESS, signals=[17, 18]), [(17, FAILURE), (18, SUCCESS)], 2),
    ("first_success_all_failed", future(FIRST_SUCCESS, signals=[17, 18]), [(17, FAILURE), (18, FAILURE)], 2),
    ("first_success_at_once", future(FIRST_SUCCESS, signals=[17, 18]), [(17, SUCCESS)], 1),
    ("all_success", future(ALL_SUCCESS, signals=[17, 18]), [(17, SUCCESS), (18, SUCCESS)], 2),
    ("all_success_first_failed", future(ALL_SUCCESS, signals=[17, 18]), [(18, FAILURE)], 1),
    ("unknown", future(UNKNOWN, signals=[17, 18]), [(18, SUCCESS)], 1),
    ("all_success_either", future(ALL_SUCCESS, signals=[19], children=[EITHER]), [(17, SUCCESS)], 1),
    ("first_success_either", future(FIRST_SUCCESS, signals=[19], children=[EITHER]), [(17, FAILURE)], 1),
    ("first_either", future(FIRST, signals=[19], children=[EITHER]), [(18, SUCCESS)], 1),
    ("all_either_and_another", future(ALL, signals=[19], children=[EITHER]), [(18, SUCCESS), (19, SUCCESS)], 2),
]


@pytest.mark.parametrize("awaited, come, wakes", [pytest.param(*f[1:], id=f[0]) for f in FUTURES])
def test_future_wakes_when_it_is_done(lied_to, liars, awaited, come, wakes):
    """Progress survives: each notification comes while the invocation is suspended."""
    ids = {}

    def suspends(a: Attempt):
        a.replay()
        ids.update({i: awakeable(a, i) for i in (17, 18, 19)})
        a.done(sleep(1, FAR), suspension_on(awaited))

    inv = liars(max_version=7).play(lied_to, suspends, honest)
    for n, (index, outcome) in enumerate(come, 1):
        inv.wait_status("suspended")
        assert len(inv.attempts) == 1, f"woken before its time, by {come[:n - 1]}"
        r = (lied_to.ingress.resolve(ids[index], n) if outcome == SUCCESS
             else lied_to.ingress.reject(ids[index], "no"))
        assert r.status_code == 202
        if n < wakes:
            # the signal is in the journal, and the invocation is left alone
            eventually(lambda: len(lied_to.admin.query(
                f"SELECT index FROM sys_journal WHERE id = '{inv.id}'")) == 2 + n)
    assert inv.result() == "honest"
    assert [f.get(2) for f in inv.attempts[1].journal[2:]] == [i for i, _ in come[:wakes]]
    assert len(inv.attempts) == 2


def test_awaiting_on_has_no_effect(lied_to, liars):
    def hint(*args) -> bytes:
        return message(wire.AWAITING_ON, text(1, future(*args)))

    def hints(a: Attempt):
        a.replay()
        a.send(*[hint(FIRST, [1], [1])] * 3, sleep(1, PAST), hint(FIRST, [1], [1]))
        a.expect(done_type(SLEEP))
        # stale, repeated, about nothing, about what nobody owns, and as good as empty
        a.send(hint(FIRST, [1], [1]), hint(ALL, [77], [99], ["x"]), hint(), message(wire.AWAITING_ON))
        a.done(hint(FIRST, [1]), suspension(7, [1]))

    def looks(a: Attempt):
        assert [f.kind for f in a.replay()] == [INPUT, SLEEP, done_type(SLEEP)]
        a.done(output("hinted"), end())

    assert liars(max_version=7).play(lied_to, hints, looks).result() == "hinted"


@versions
def test_inactivity_closes_and_the_run_still_counts(lied_to, liars, version):
    """A long run: the request is closed, not broken; its proposal and the suspension come in a row."""
    def long(a: Attempt):
        a.replay()
        a.send(run(1, "long"))
        assert a.wait_closed() == "empty data"
        a.done(propose(1, b'"late"', wire.ACK if version >= 7 else 0), suspension(version, [1], [1]))

    def resumed(a: Attempt):
        got = a.replay()
        assert [f.kind for f in got] == [INPUT, RUN, done_type(RUN)] and got[2].get(5, 1) == b'"late"'
        assert not a.start.get(7)
        a.done(output("late"), end())

    inv = liars(max_version=version).play(lied_to, long, resumed, inactivityTimeout=200, abortTimeout=20_000)
    assert inv.result() == "late" and len(inv.attempts) == 2
    assert inv.attempts[1].began - inv.attempts[0].closed_at < 2, "resumed at once"


# -- 34 to 42: retries and control -------------------------------------------------------

def test_retry_count_is_reset_by_commands_only(lied_to, liars):
    def with_command(a: Attempt):
        a.replay()
        a.done(run(1), error("after a command"))

    def with_proposal(a: Attempt):
        a.replay()
        a.send(propose(1, b"x"))
        a.expect(done_type(RUN))
        a.done(error("after a run completion"))

    def suspends(a: Attempt):
        a.replay()
        a.done(sleep(2, soon(30)), suspension(6, [2]))

    inv = liars().play(lied_to, fails, fails, with_command, fails, with_proposal, fails, suspends, fails, honest)
    assert inv.result() == "honest"
    assert [a.start.get(7) or 0 for a in inv.attempts] == [0, 1, 2, 1, 2, 3, 4, 0, 1]


def test_duration_grows_until_something_is_stored(lied_to, liars):
    inv = liars().play(lied_to, failing(delay=120), failing(delay=120), honest)
    assert inv.result() == "honest"
    first, second, third = [a.start.get(8) or 0 for a in inv.attempts]
    assert second >= 100 and third >= second + 100 and first < second


def test_delay_asked_for_uses_up_no_attempt(lied_to, liars):
    """Five failures under a policy of three attempts, and each of the delays is kept."""
    scripts = [failing(delay=d) for d in (10, 250, 10, 10, 10)]
    inv = liars().play(lied_to, *scripts, fails, honest, retryPolicyMaxAttempts=3)
    assert inv.result() == "honest"
    assert [a.start.get(7) or 0 for a in inv.attempts] == [0, 1, 2, 3, 4, 5, 6]
    assert inv.attempts[2].began - inv.attempts[1].closed_at >= 0.24


@pytest.mark.parametrize("status, how", [(429, "seconds"), (503, "seconds"), (503, "date")])
def test_retry_after_sets_the_next_delay(lied_to, liars, status, how):
    def busy(a: Attempt):
        # a date has whole seconds, so two of them are between one and two away
        after = "1" if how == "seconds" else formatdate(time.time() + 2, usegmt=True)
        a.answer(status, "text/plain", retry_after=after)
        a.end()

    inv = liars().play(lied_to, busy, honest)
    assert inv.result() == "honest"
    assert inv.attempts[1].began - inv.attempts[0].began >= 0.95


@pytest.mark.parametrize("when", ["", "soon", "-1", "1e3", "99999999999999999999", "Sun, 99 Xyz 2099 00:00:00 GMT"])
def test_retry_after_that_makes_no_sense_is_no_retry_after(lied_to, liars, when):
    def busy(a: Attempt):
        a.answer(503, "text/plain", retry_after=when)
        a.end()

    assert liars().play(lied_to, busy, honest).result() == "honest"


@pytest.mark.peer_fails("its policy goes on counting, whatever was stored")
def test_new_commands_start_the_policy_anew(lied_to, liars):
    """Two attempts at most, but every second one makes progress; a run completion is none."""
    def progress(n: int):
        def script(a: Attempt):
            a.replay()
            a.done(run(n), error("after a command"))
        return script

    def proposes(a: Attempt):
        a.replay()
        a.send(propose(1, b"x"))
        a.expect(done_type(RUN))
        a.done(error("after a run completion"))

    inv = liars().play(lied_to, fails, progress(1), progress(2), progress(3), proposes, honest,
                       retryPolicyMaxAttempts=2)
    inv.wait_status("paused")
    assert len(inv.attempts) == 5
    lied_to.admin.inv("resume", inv.id)
    assert inv.result() == "honest"


def test_what_comes_while_backing_off_waits_for_the_next_attempt(lied_to, liars):
    """It neither gets lost nor hastens the attempt; the same goes for a cancellation."""
    ids = []

    def first(a: Attempt):
        a.replay()
        ids.append(awakeable(a, 17))
        a.done(error("wait", delay=400))

    def second(a: Attempt):
        a.replay()
        a.done(output([f.get(2) for f in a.journal[1:]]), end())

    inv = liars().play(lied_to, first, second)
    inv.finished(1)
    inv.wait_status("backing-off")
    assert lied_to.ingress.resolve(ids[0], 1).status_code == 202
    assert lied_to.admin.inv("cancel", inv.id).status_code in (200, 202)
    assert inv.result() == [17, 1]
    assert inv.attempts[1].began - inv.attempts[0].closed_at >= 0.39


@versions
@pytest.mark.parametrize("then", ["error", "nothing", "suspension"])
def test_output_of_an_attempt_that_fails_is_kept(lied_to, liars, version, then):
    """Output is a command like any other; End of a later attempt makes it the result."""
    def says(a: Attempt):
        a.replay()
        if then == "error":
            a.done(sleep(1, soon(20)), output("kept"), error("but not the end"))
        elif then == "suspension":
            a.done(sleep(1, soon(20)), output("kept"), suspension(version, [1]))
        else:
            a.send(sleep(1, soon(20)), output("kept"))
            a.end()

    def ends(a: Attempt):
        commands = [f for f in a.replay() if not f.is_notification]
        assert [f.kind for f in commands] == [INPUT, SLEEP, wire.OUTPUT]
        assert commands[2].body == output("kept")[8:]
        a.done(end())

    inv = liars(max_version=version).play(lied_to, says, ends)
    assert inv.result() == "kept" and len(inv.attempts) == 2


def test_commands_after_the_output_count(lied_to, liars, key):
    def says(a: Attempt):
        a.replay()
        a.done(output("done"), wire.set_state("after", 1), run(1), end())

    liar = liars()
    service = liar.service("VIRTUAL_OBJECT").handler("work", says).handler("look", lambda a: (
        a.replay(), a.done(output(state_of(a)), end())))
    lied_to.register(liar)
    assert liar.send(lied_to, service, key=key).result() == "done"
    assert liar.send(lied_to, service, "look", key=key).result() == {"after": "1"}


def test_thousands_of_commands_in_one_attempt(lied_to, liars):
    n = 5000

    def many(a: Attempt):
        a.replay()
        a.done(*(run(i) + propose(i, b"x" * 20) for i in range(1, n + 1)), error("and replayed"))

    def counts(a: Attempt):
        a.replay()
        a.done(output(a.kinds().count(done_type(RUN))), end())

    assert liars().play(lied_to, many, counts).result() == n


@pytest.mark.parametrize("http1", [False, True], ids=["http2", "http1"])
def test_request_response_endpoint_gets_the_end_with_the_replay(lied_to, liars, http1):
    def suspends(a: Attempt):
        a.replay()
        assert a.take() is None, "closed before anything was answered"
        a.done(sleep(1, soon(30)), suspension(6, [1], [1]))

    inv = liars(mode="REQUEST_RESPONSE", http1=http1).play(lied_to, suspends, honest)
    assert inv.result() == "honest" and len(inv.attempts) == 2


def test_maximal_attempts_count_the_first_and_end_in_a_pause(lied_to, liars):
    inv = liars().play(lied_to, fails, fails, honest, retryPolicyMaxAttempts=2)
    inv.wait_status("paused")
    assert len(inv.attempts) == 2
    assert lied_to.ingress.output_raw(inv.id).status_code == 470
    assert lied_to.admin.inv("resume", inv.id).status_code < 300
    assert inv.result() == "honest"
    assert not inv.attempts[2].start.get(7), "resumed with a count of 0"


def test_behaviour_of_an_error_in_version_7(lied_to, liars):
    liar = liars(max_version=7)
    paused = liar.play(lied_to, failing("stop", behavior=1), honest)
    failed = liar.play(lied_to, failing("stopfail", code=422, behavior=2), honest)
    r = failed.raw()
    assert (r.status_code, r.json()["message"]) == (422, "stopfail") and len(failed.attempts) == 1
    paused.wait_status("paused")
    assert lied_to.admin.inv("resume", paused.id).status_code < 300
    assert paused.result() == "honest"


def test_attempt_without_progress_pins_nothing(lied_to, liars):
    old, new = liars(), liars()
    broken = old.service(retryPolicyInitialInterval=300, retryPolicyMaxInterval=300).handler("work", fails)
    lied_to.register(old)
    inv = old.send(lied_to, broken)
    inv.finished(1)
    new.service(name=broken.name).handler("work", honest)
    lied_to.register(new)
    assert inv.result() == "honest"
    assert len(new.attempts[inv.id]) == 1


def test_version_is_pinned_by_progress(lied_to, liars):
    """The same address comes to speak version 6; what began in 5 goes on in 5."""
    liar = liars(max_version=5)

    def begins(a: Attempt):
        a.replay()
        a.done(run(1), error("later", delay=300))

    inv = liar.play(lied_to, begins, honest)
    inv.finished(1)
    liar.max_version = 6
    lied_to.register(liar, force=True)
    fresh = liar.send(lied_to, liar.services[inv.service])
    assert inv.result() == "honest"
    assert [a.version for a in inv.attempts] == [5, 5]
    assert fresh.attempt(1).version == 6


def test_cancel_alone_finishes_nothing(lied_to, liars):
    """It is one signal in the journal of a running invocation, which may go on."""
    def ignores(a: Attempt):
        a.replay()
        a.send(run(1))
        n = a.expect(wire.SIGNAL)
        assert (n.get(2), n.get(4), n.body) == (1, b"", bytes.fromhex("10012200"))
        a.send(propose(1, b"x"))
        a.expect(done_type(RUN))
        a.done(output("went on"), end())

    inv = liars().play(lied_to, ignores)
    inv.attempt(1)
    inv.wait_status("running")
    assert lied_to.admin.inv("cancel", inv.id).status_code in (200, 202)
    assert inv.result() == "went on"


def test_cancel_wakes_a_paused_invocation(lied_to, liars):
    def cancelled(a: Attempt):
        assert [f.kind for f in a.replay()] == [INPUT, wire.SIGNAL] and a.journal[1].get(2) == 1
        a.done(output_failure(409, "Cancelled"), end())

    inv = liars().play(lied_to, fails, cancelled, retryPolicyMaxAttempts=1)
    inv.wait_status("paused")
    assert lied_to.admin.inv("cancel", inv.id).status_code in (200, 202)
    r = inv.raw()
    assert (r.status_code, r.json()["message"]) == (409, "Cancelled")


def test_signals_are_not_deduplicated(lied_to, liars):
    """The same cancellation twice, the same awakeable twice, the same name twice: all six."""
    liar = liars()
    ids = []

    def waits(a: Attempt):
        a.replay()
        ids.append(awakeable(a, 17))
        a.done(output([str(f.identity[1]) for f in a.notifications(6)]), end())

    inv = liar.play(lied_to, waits)
    eventually(lambda: bool(ids), LIMIT)
    for _ in range(2):
        assert lied_to.admin.inv("cancel", inv.id).status_code in (200, 202)
        assert lied_to.ingress.resolve(ids[0], 1).status_code == 202
    signal = message(wire.SIGNAL_TO, text(1, inv.id), text(3, "n"), value(5, 1))
    assert liar.play(lied_to, lambda a: (a.replay(), a.done(signal, signal, output(1), end()))).result() == 1
    assert sorted(inv.result()) == ["1", "1", "17", "17", "b'n'", "b'n'"]


def test_second_start_of_a_workflow_has_an_id_and_a_conflict(lied_to, liars):
    liar = liars()
    flow = liar.service("WORKFLOW").handler("work", honest)

    def starts(a: Attempt):
        a.replay()
        a.send(wire.call(flow.name, "work", b"", 1, 2, key="w"))
        one = {f.identity: f for f in a.notifications(2)}
        a.send(wire.call(flow.name, "work", b"", 3, 4, key="w"), wire.send(flow.name, "work", b"", 5, key="w"))
        two = {f.identity: f for f in a.notifications(3)}
        assert one[1].kind == two[3].kind == two[5].kind == CALL_ID
        assert one[1].get(16) == two[3].get(16) == two[5].get(16)
        assert one[2].get(5, 1) == b'"honest"'
        a.done(output([two[4].kind, two[4].get(6, 1)]), end())

    assert liar.play(lied_to, starts).result() == [done_type(CALL), 409]


@pytest.mark.parametrize("outcome", [SUCCESS, FAILURE])
def test_second_call_with_an_idempotency_key(lied_to, liars, outcome):
    liar = liars()
    last = output("once") if outcome == SUCCESS else output_failure(422, "once")
    child = liar.service().handler("work", lambda a: (a.replay(), a.done(last, end())))

    def calls(a: Attempt):
        a.replay()
        a.send(wire.call(child.name, "work", b"1", 1, 2, idempotency_key="i"))
        one = {f.identity: f for f in a.notifications(2)}
        a.send(wire.call(child.name, "work", b"2", 3, 4, idempotency_key="i"),
               wire.send(child.name, "work", b"3", 5, idempotency_key="i"))
        two = {f.identity: f for f in a.notifications(3)}
        assert one[1].get(16) == two[3].get(16) == two[5].get(16)
        part = 5 if outcome == SUCCESS else 6
        assert one[2].get(part) == two[4].get(part) and one[2].get(part)
        a.done(output(one[1].get(16).decode()), end())

    id = liar.play(lied_to, calls).result()
    assert len(liar.attempts[id]) == 1


# -- 43 to 46: identifiers and identity ---------------------------------------------------

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def base62(raw: bytes, width: int) -> str:
    """Of the little-endian value of the bytes."""
    n, out = int.from_bytes(raw, "little"), ""
    for _ in range(width):
        n, digit = divmod(n, 62)
        out = DIGITS[digit] + out
    return out


@pytest.mark.parametrize("ty", ["SERVICE", "VIRTUAL_OBJECT", "WORKFLOW"])
def test_ids_in_text_and_binary(lied_to, liars, ty):
    assert base62(bytes(range(8)), 11) + base62(bytes(range(8, 24)), 22) == "0BnVMHtxjjO0HyUJWli0aN6NpK3xqX1zy"
    inv = liars().play(lied_to, honest, ty=ty)
    assert inv.result() == "honest"
    start = inv.attempts[0].start
    raw = start.get(1)
    assert len(raw) == 24
    assert "inv_1" + base62(raw[:8], 11) + base62(raw[8:], 22) == inv.id == start.get(2).decode()


def test_start_id_is_the_same_in_all_attempts(lied_to, liars):
    """So an awakeable made in one attempt completes in another, also after a suspension."""
    ids = []

    def waits(a: Attempt):
        a.replay()
        ids.append(awakeable(a, 17))
        a.done(suspension(6, (), [17, 1]))

    def last(a: Attempt):
        a.replay()
        a.done(output([awakeable(a, 17), a.journal[1].get(5, 1).decode()]), end())

    inv = liars().play(lied_to, fails, waits, last)
    inv.wait_status("suspended")
    lied_to.ingress.resolve(ids[0], "v")
    assert inv.result() == [ids[0], '"v"']


def test_manifest_in_another_order_is_the_same(lied_to, liars):
    """And what a later version of it may bring is no reason to refuse it."""
    liar = liars()
    service = liar.service().handler("work", honest).handler("other", honest)
    first = lied_to.register(liar)

    def other_order() -> bytes:
        def turned(x):
            if isinstance(x, dict):
                return {k: turned(x[k]) for k in reversed(list(x))}
            return [turned(y) for y in reversed(x)] if isinstance(x, list) else x
        return json.dumps(turned(liar.describe()), indent=3).encode()

    liar.manifest = other_order
    for body in ({}, {"force": True}):
        again = lied_to.register(liar, **body)
        assert again["id"] == first["id"]
        assert {s["name"] for s in again["services"]} == {service.name}
    assert liar.send(lied_to, service).result() == "honest"


@pytest.mark.needs("identity")
def test_audience_is_without_the_base_path(workdir, fresh_server, services, liars):
    pem = workdir / "pitfalls-identity.pem"
    pem.write_text(json.loads(subprocess.check_output(["node", "keygen.mjs"], cwd=service_dir()))["pem"])
    server = fresh_server(identity_key_file=str(pem))
    liar = liars(base="/behind/a/proxy")
    inv = liar.play(server, honest)
    assert inv.result() == "honest"
    a = inv.attempts[0]
    assert a.path == f"/behind/a/proxy/invoke/{inv.service}/work"
    for headers, audience in [(liar.discoveries[0], "/discover"), (a.headers, f"/invoke/{inv.service}/work")]:
        assert headers["x-restate-signature-scheme"] == "v1"
        head, claims, _ = (json.loads(base64.urlsafe_b64decode(p + "=="))
                           if i < 2 else p for i, p in enumerate(headers["x-restate-jwt-v1"].split(".")))
        assert (head["typ"], head["alg"]) == ("JWT", "EdDSA") and head["kid"].startswith("publickeyv1_")
        assert claims["aud"] == audience
        # the SDKs allow no leeway
        assert claims["nbf"] <= time.time() - 30 and claims["exp"] >= time.time() + 30
