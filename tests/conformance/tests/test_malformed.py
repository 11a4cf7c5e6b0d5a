"""An endpoint lies; the server must see it, store nothing of it, and live.

One test for each row of the table "Malformed input" of the protocol's specification
(`ROW` in the parameters below), plus a few lies in its spirit. The first attempt lies.
Then, unless the row says that the lie is to be accepted, the attempt fails and is
retried, the second attempt is honest, and its replay shows exactly what was allowed to
be stored: the commands before the lie, and nothing of the lie or after it.
"""
import random
import time
from dataclasses import dataclass, field

import pytest

from harness import wire
from harness.fixtures import ordinary_call_works
from harness.liar import LIMIT, Attempt, Invocation, Liar, honest
from harness.wire import (
    ALL, CALL, INPUT, OUTPUT, RUN, SET_STATE, SLEEP, done_type, end, message, nested, num, output, propose,
    run, sleep, suspension, suspension_on, text, value)

PAST = 1  # ms since 1970: a timer that is due at once
LATER = run(99, "after the lie")


def garbled(frame: bytes) -> bytes:
    """The same message with a body that is no protobuf: a field that announces more than there is."""
    body = b"\x5a\x7f\x01"
    return frame[:4] + len(body).to_bytes(4, "big") + body


def nest(depth: int) -> bytes:
    """A future of this depth; only the innermost waits for something."""
    body = wire.future(ALL, signals=[17])
    for _ in range(depth):
        body = wire.future(ALL, children=[body])
    return body


@dataclass
class Lie:
    """What the first attempt sends, in one go, before it waits for the server's reaction."""

    name: str
    says: list[bytes]
    kept: list[int] = field(default_factory=list)
    """Types of the entries that the second attempt finds after Input."""
    ty: str = "SERVICE"
    shared: bool = False
    version: int = 6
    peer: str = ""
    """What the peer does instead; empty where it does the right thing."""
    last_message: bool = False
    """The lie is a last message: the server ends the request in answer, which is fine too."""

    def param(self):
        marks = [pytest.mark.peer_fails(self.peer)] if self.peer else []
        return pytest.param(self, id=self.name, marks=marks)

    def attempt(self, a: Attempt):
        a.replay()
        a.send(*self.says, *([] if self.last_message else [LATER, output("lie"), end()]))
        # an honest SDK would end its response now; a liar does not, and must not be waited for
        a.wait_closed()
        if not a.broken:
            a.end()

    def tell(self, liar: Liar, server) -> Invocation:
        handler = {"ty": "SHARED"} if self.shared else {}
        return liar.play(server, self.attempt, honest, ty=self.ty, handler=handler)


OBJECT, WORKFLOW = "VIRTUAL_OBJECT", "WORKFLOW"
STOPS = "the partition or the process stops"
STORES = "stored"
HANGS = "the invocation is never run again"
READS_LATE = "it reads some bodies only after it has stored them, and then its partition stops"

RUN1 = run(1, "one")
CALL_SELF = wire.call("Echo", "echo", b'"x"', 1, 2)

LIES = [
    # Output with neither value nor failure, then End
    Lie("output_empty", [message(OUTPUT)], peer=STOPS),
    Lie("output_empty_after_a_run", [RUN1, message(OUTPUT, text(12, "label"))], [RUN], peer=STOPS),
    # End as the very first message
    Lie("end_first", [end()], last_message=True, peer=STOPS),
    # End after other commands, no Output
    Lie("end_without_output", [RUN1, end()], [RUN], last_message=True, peer=HANGS),
    Lie("end_without_output_v7", [RUN1, end()], [RUN], version=7, last_message=True, peer=HANGS),
    # unknown command type; a custom type
    Lie("unknown_command", [RUN1, message(0x0420)], [RUN], peer=STOPS),
    Lie("unassigned_command", [RUN1, message(0x040F)], [RUN], peer=STOPS),
    Lie("last_command_type", [message(0x7FFF, num(11, 1))], peer=STOPS),
    Lie("custom_type", [message(0xFC01, text(14, "x"))], peer=STOPS),
    # unknown control type, and control types of the other direction
    Lie("unknown_control", [RUN1, message(0x0009)], [RUN]),
    Lie("last_control_type", [message(0x03FF)]),
    Lie("start_from_the_sdk", [message(wire.START, num(3, 1))]),
    Lie("command_ack_from_the_sdk", [message(wire.COMMAND_ACK, num(1, 1))]),
    Lie("proposal_ack_from_the_sdk_v7", [RUN1, message(wire.PROPOSE_ACK, num(1, 1))], [RUN], version=7),
    # a notification
    Lie("notification_of_a_sleep", [RUN1, message(done_type(SLEEP), num(1, 1), nested(4))], [RUN]),
    Lie("notification_of_a_run", [RUN1, message(done_type(RUN), num(1, 1), value(5, "x"))], [RUN]),
    Lie("signal", [message(wire.SIGNAL, num(2, 17), value(5, "x"))]),
    # Input
    Lie("input", [RUN1, message(INPUT, value(14, "x"))], [RUN], peer=STORES),
    # two commands with one completion id
    Lie("id_twice_same_type", [RUN1, run(1, "two")], [RUN], peer=STORES),
    Lie("id_twice_other_type", [RUN1, sleep(1, 2 ** 50)], [RUN], peer=STORES),
    Lie("id_twice_within_a_call", [wire.call("Echo", "echo", b"", 5, 5)], peer=STORES),
    Lie("id_of_a_call_again", [CALL_SELF, run(2)], [CALL, wire.CALL_ID, done_type(CALL)], peer=STORES),
    Lie("id_twice_v7", [RUN1, run(1, "two")], [RUN], version=7, peer=STORES),
    # proposal for an id without Run
    Lie("proposal_without_run", [propose(1, b"x")], peer=STORES),
    Lie("proposal_for_a_sleep", [sleep(1, 2 ** 50), propose(1, b"x")], [SLEEP], peer=STORES),
    Lie("proposal_before_its_run", [propose(1, b"x"), RUN1], peer=STORES),
    Lie("proposal_without_run_v7", [propose(1, b"x", wire.ACK)], version=7, peer=STORES),
    Lie("proposal_without_outcome", [RUN1, message(wire.PROPOSE, num(1, 1))], [RUN]),
    # second proposal for one run: the first is kept
    Lie("second_proposal", [RUN1, propose(1, b"first"), propose(1, b"second")],
        [RUN, done_type(RUN)], peer=STORES),
    Lie("second_proposal_v7", [RUN1, propose(1, b"first", wire.ACK), propose(1, b"second", wire.ACK)],
        [RUN, done_type(RUN)], version=7, peer=STORES),
    # empty await set
    Lie("suspension_on_nothing", [RUN1, suspension(6)], [RUN], last_message=True),
    Lie("suspension_without_future_v7", [RUN1, suspension(6, [1])], [RUN], version=7, last_message=True),
    Lie("suspension_on_nothing_v7", [RUN1, suspension(7)], [RUN], version=7, last_message=True),
    Lie("suspension_on_nothing_nested_v7", [RUN1, suspension_on(wire.future(
        ALL, children=[wire.future(ALL), wire.future(children=[wire.future()])]))],
        [RUN], version=7, last_message=True),
    Lie("suspension_nested_too_deep_v7", [RUN1, suspension_on(nest(5000))], [RUN], version=7,
        last_message=True, peer=HANGS),
    Lie("suspension_in_the_layout_of_v7", [RUN1, suspension(7, [1])], [RUN], last_message=True),
    # suspension on an id nobody owns
    Lie("suspension_on_an_unknown_id", [suspension(6, [7])], last_message=True, peer=HANGS),
    Lie("suspension_on_an_unknown_id_v7", [suspension(7, [7])], version=7, last_message=True, peer=HANGS),
    Lie("suspension_on_an_unknown_id_and_cancel", [suspension(6, [7], [1])], last_message=True, peer=HANGS),
    # suspension on a run that is not proposed
    Lie("suspension_on_an_open_run", [RUN1, suspension(6, [1], [1])], [RUN], last_message=True, peer=HANGS),
    Lie("suspension_on_an_open_run_v7", [RUN1, suspension(7, [1], [1])], [RUN], version=7,
        last_message=True, peer=HANGS),
    # operations on the wrong kind of target
    *(Lie(f"{name}_on_a_service", [RUN1, says], [RUN]) for name, says in {
        "get_state": wire.get_state(2, "k"), "get_keys": message(wire.GET_KEYS, num(11, 2)),
        "set_state": wire.set_state("k", 1), "clear_state": message(wire.CLEAR_STATE, text(1, "k")),
        "clear_all": message(wire.CLEAR_ALL),
        "eager_state": message(wire.EAGER_STATE, text(1, "k"), nested(13)),
        "eager_keys": message(wire.EAGER_KEYS, nested(14)),
        "get_promise": wire.get_promise(2, "p"), "peek_promise": message(wire.PEEK_PROMISE, text(1, "p"), num(11, 2)),
        "complete_promise": wire.complete_promise(2, "p", 1)}.items()),
    *(Lie(f"{name}_on_an_object", [RUN1, says], [RUN], ty=OBJECT) for name, says in {
        "get_promise": wire.get_promise(2, "p"), "peek_promise": message(wire.PEEK_PROMISE, text(1, "p"), num(11, 2)),
        "complete_promise": wire.complete_promise(2, "p", 1)}.items()),
    *(Lie(f"{name}_in_a_shared_handler", [RUN1, says], [RUN], ty=OBJECT, shared=True) for name, says in {
        "set_state": wire.set_state("k", 1), "clear_state": message(wire.CLEAR_STATE, text(1, "k")),
        "clear_all": message(wire.CLEAR_ALL)}.items()),
    Lie("set_state_in_a_shared_handler_of_a_workflow", [RUN1, wire.set_state("k", 1)], [RUN],
        ty=WORKFLOW, shared=True),
    # bad target, key or id
    *(Lie(name, [RUN1, says], [RUN]) for name, says in {
        "call_of_an_unknown_service": wire.call("NoSuchService", "echo", b"", 2, 3),
        "call_of_an_unknown_handler": wire.call("Echo", "noSuchHandler", b"", 2, 3),
        "call_of_a_service_with_a_key": wire.call("Echo", "echo", b"", 2, 3, key="k"),
        "call_with_an_empty_idempotency_key": wire.call("Echo", "echo", b"", 2, 3, idempotency_key=""),
        "call_without_a_name": message(CALL, num(10, 2), num(11, 3)),
        "send_to_an_unknown_service": wire.send("NoSuchService", "echo", b"", 2),
        "send_to_an_unknown_handler": wire.send("Echo", "noSuchHandler", b"", 2),
        "send_to_a_service_with_a_key": wire.send("Echo", "echo", b"", 2, key="k"),
        "send_with_an_empty_idempotency_key": wire.send("Echo", "echo", b"", 2, idempotency_key=""),
        "signal_to_a_malformed_id": message(wire.SIGNAL_TO, text(1, "inv_1abc"), num(2, 1), nested(4)),
        "signal_to_an_id_that_overflows": message(
            wire.SIGNAL_TO, text(1, "inv_1" + "Z" * 33), num(2, 1), nested(4)),
        "awakeable_malformed": message(wire.COMPLETE_AWAKEABLE, text(1, "sign_1short"), value(2, 1)),
        "attach_to_a_malformed_id": message(wire.ATTACH, text(1, "inv_1abc"), num(11, 2)),
        "output_of_a_malformed_id": message(wire.GET_OUTPUT, text(1, "nonsense"), num(11, 2)),
    }.items()),
    *(Lie(name, [RUN1, says], [RUN], peer=peer) for name, says, peer in [
        ("signal_without_identity", message(
            wire.SIGNAL_TO, text(1, "inv_10BnVMHtxjjO0HyUJWli0aN6NpK3xqX1zy"), nested(4)), ""),
        ("signal_without_result", message(
            wire.SIGNAL_TO, text(1, "inv_10BnVMHtxjjO0HyUJWli0aN6NpK3xqX1zy"), num(2, 17)), ""),
        ("awakeable_without_result", message(
            wire.COMPLETE_AWAKEABLE, text(1, "sign_1AAECAwQFBgcICQoLDA0ODxAREhMUFRYXAAAAEQ")), ""),
        ("attach_to_nothing", message(wire.ATTACH, num(11, 2)), STOPS),
        ("output_of_nothing", message(wire.GET_OUTPUT, num(11, 2)), STOPS),
    ]),
    Lie("state_key_is_not_text", [RUN1, wire.get_state(2, b"\xff\xfe")], [RUN], ty=OBJECT, peer=HANGS),
    Lie("state_key_to_set_is_not_text", [RUN1, wire.set_state(b"\xff\xfe", 1)], [RUN], ty=OBJECT, peer=HANGS),
    # texts that become part of a row's key, and are longer than a store takes
    Lie("state_key_too_long", [RUN1, wire.set_state("k" * 70_000, "x")], [RUN], ty=OBJECT),
    Lie("key_of_a_state_that_is_read_too_long",
        [RUN1, message(wire.GET_STATE, text(1, "k" * 70_000), num(11, 2))], [RUN], ty=OBJECT),
    Lie("promise_name_too_long", [RUN1, wire.complete_promise(2, "p" * 70_000, "x")], [RUN], ty=WORKFLOW),
    Lie("state_without_a_value", [RUN1, message(SET_STATE, text(1, "k"))], [RUN], ty=OBJECT, peer=STOPS),
    Lie("promise_without_a_completion", [RUN1, message(wire.COMPLETE_PROMISE, text(1, "p"), num(11, 2))], [RUN],
        ty=WORKFLOW, peer=STOPS),
    # bodies that are no protobuf
    *(Lie(f"garbled_command_{kind:04x}", [RUN1, garbled(message(kind))], [RUN], ty=WORKFLOW, peer=READS_LATE)
      for kind in range(INPUT, wire.COMPLETE_AWAKEABLE + 1) if kind != 0x040F),
    Lie("garbled_proposal", [RUN1, garbled(propose(1, b"x"))], [RUN]),
    Lie("garbled_suspension", [garbled(suspension(6, [1]))], last_message=True),
    Lie("garbled_error", [garbled(wire.error("x"))], last_message=True),
    Lie("name_is_not_text", [RUN1, message(RUN, num(11, 2), text(12, b"\xff"))], [RUN]),
    Lie("command_of_a_later_version", [RUN1, message(0x0200, num(1, 1), text(2, "k"))], [RUN]),
]


@pytest.mark.parametrize("lie", [lie.param() for lie in LIES])
def test_lie_fails_the_attempt_and_leaves_nothing(lied_to, liars, lie):
    inv = lie.tell(liars(max_version=lie.version), lied_to)
    assert inv.result() == "honest"
    first, second = inv.attempts
    assert second.start.get(3) == 1 + len(lie.kept)
    assert second.kinds()[0] == INPUT and sorted(second.kinds()[1:]) == sorted(lie.kept)
    # every command of the replay is one that was sent, bit by bit, in the order of sending
    commands = [f.body for f in second.journal[1:] if not f.is_notification]
    assert commands == [s[8:] for s in lie.says[:len(commands)]]
    assert second.start.get(7) == 1, "the failed attempt was not counted"
    assert ordinary_call_works(lied_to)


@pytest.mark.peer_fails(STORES)
def test_first_of_two_proposals_is_the_one_kept(lied_to, liars):
    def twice(a: Attempt):
        a.replay()
        a.send(RUN1, propose(1, b'"first"'), propose(1, b'"second"'))
        a.wait_closed()

    def tells(a: Attempt):
        kept = [f.get(5, 1) for f in a.replay() if f.kind == done_type(RUN)]
        a.done(output([k.decode() for k in kept]), end())

    assert liars().play(lied_to, twice, tells).result() == ['"first"']


@pytest.mark.peer_fails(STORES)
def test_id_of_an_earlier_attempt_is_not_used_again(lied_to, liars):
    def stores(a: Attempt):
        a.replay()
        a.done(RUN1, wire.error("not yet"))

    def lies(a: Attempt):
        assert [f.kind for f in a.replay()] == [INPUT, RUN]
        a.send(sleep(1, PAST))
        a.wait_closed()

    inv = liars().play(lied_to, stores, lies, honest)
    assert inv.result() == "honest"
    assert inv.attempts[2].kinds() == [INPUT, RUN]


def test_completion_id_zero_does_no_harm(lied_to, liars):
    """Either way is fine: to accept it, or to fail the attempt."""
    def zero(a: Attempt):
        a.replay()
        a.send(message(RUN, text(12, "zero")))
        a.done(output("accepted"), end())

    assert liars().play(lied_to, zero, honest).result() in ("accepted", "honest")
    assert ordinary_call_works(lied_to)


def test_suspension_on_completion_id_zero_does_no_harm(lied_to, liars):
    def zero(a: Attempt):
        a.replay()
        a.send(message(SLEEP, num(1, PAST)))
        a.done(suspension(6, [0]))

    assert liars().play(lied_to, zero, honest).result() == "honest"
    assert ordinary_call_works(lied_to)


@pytest.mark.parametrize("version", [6, 7])
def test_ack_asked_for_a_sleep_comes_before_the_completion(lied_to, liars, version):
    def asks(a: Attempt):
        a.replay()
        a.send(sleep(1, PAST, flags=wire.ACK))
        assert a.expect(wire.COMMAND_ACK).get(1) == 1
        assert a.expect(done_type(SLEEP)).get(1) == 1
        a.done(output("acked"), end())

    inv = liars(max_version=version).play(lied_to, asks)
    assert inv.result() == "acked"
    assert len(inv.attempts) == 1


def test_last_of_two_outputs_counts(lied_to, liars):
    def twice(a: Attempt):
        a.replay()
        a.done(output("first"), output("last"), end())

    inv = liars().play(lied_to, twice)
    assert inv.result() == "last"
    assert len(inv.attempts) == 1


@pytest.mark.parametrize("more", [
    pytest.param(LATER, id="a_command"), pytest.param(output("after"), id="an_output"),
    pytest.param(wire.error("after"), id="an_error"), pytest.param(message(0x0420), id="an_unknown_command"),
    pytest.param(b"\xff" * 7, id="half_a_header"), pytest.param(b"\xff" * 40000, id="rubbish")])
@pytest.mark.parametrize("together", [True, False], ids=["in_one_write", "after_the_request_has_ended"])
def test_bytes_after_the_last_message_are_ignored(lied_to, liars, more, together):
    def goes_on(a: Attempt):
        a.replay()
        if together:
            a.done(output("done"), end(), more)
        else:
            a.send(output("done"), end())
            a.wait_closed()
            a.send(more)
            a.end()

    inv = liars().play(lied_to, goes_on, honest)
    assert inv.result() == "done"
    assert len(inv.attempts) == 1
    assert ordinary_call_works(lied_to)


def ends(a: Attempt):
    a.end()


def resets(a: Attempt):
    a.reset()


def hangs_up(a: Attempt):
    a.hang_up()


@pytest.mark.parametrize("how", [ends, resets, hangs_up])
@pytest.mark.parametrize("after, kept", [
    pytest.param([], [], id="nothing"), pytest.param([RUN1], [RUN], id="a_command"),
    pytest.param([RUN1, LATER[:-1]], [RUN], id="part_of_a_message"),
    pytest.param([RUN1, LATER[:5]], [RUN], id="part_of_a_header")])
def test_response_without_a_last_message_fails(lied_to, liars, how, after, kept):
    def stops(a: Attempt):
        a.replay()
        if after:
            a.send(*after)
        how(a)

    inv = liars().play(lied_to, stops, honest)
    assert inv.result() == "honest"
    assert inv.attempts[1].start.get(7) == 1
    got = inv.attempts[1].kinds()[1:]
    # what arrives just before a connection breaks may be lost with it, but nothing else may be there
    assert got == kept or (how is not ends and got == [])
    assert ordinary_call_works(lied_to)


@pytest.mark.parametrize("size", [33 << 20, 2 ** 32 - 1], ids=["33_mib", "4_gib"])
@pytest.mark.parametrize("kind", [RUN, OUTPUT, wire.PROPOSE, 0x0420])
def test_message_longer_than_the_limit_is_refused_by_its_header(lied_to, liars, size, kind):
    """Only the header comes: who waits for the body, or makes room for it, waits for ever."""
    def announces(a: Attempt):
        a.replay()
        a.send(kind.to_bytes(2, "big") + b"\0\0" + size.to_bytes(4, "big") + b"\x5a")
        a.wait_closed()

    began = time.monotonic()
    inv = liars().play(lied_to, announces, honest)
    assert inv.result() == "honest"
    assert time.monotonic() - began < LIMIT
    assert inv.attempts[1].kinds() == [INPUT]
    assert ordinary_call_works(lied_to)


@pytest.mark.parametrize("cut", [1, 3, 7])
def test_messages_in_small_pieces_are_no_lie(lied_to, liars, cut):
    """The counterpart of all the above: messages may be split anywhere."""
    def dribbles(a: Attempt):
        a.replay()
        whole = RUN1 + propose(1, b"x" * 40) + sleep(2, PAST) + output("pieces") + end()
        for at in range(0, len(whole), cut):
            a.send(whole[at:at + cut])
        a.wait_closed()
        a.end()

    inv = liars().play(lied_to, dribbles)
    assert inv.result() == "pieces"
    assert len(inv.attempts) == 1


# -- numbers at the edge: no lies, but they must do no harm ------------------------------

def introspection_works(server, inv: Invocation):
    """Whatever is stored of it can be shown."""
    for table in ("sys_invocation", "sys_journal"):
        assert server.admin.query(f"SELECT * FROM {table} WHERE id = '{inv.id}'"), table


MOST = 2 ** 64 - 1


@pytest.mark.parametrize("until", [2 ** 63 - 1, 2 ** 63, MOST], ids=hex)
@pytest.mark.parametrize("what", ["sleep", "send"])
def test_time_in_the_farthest_future(lied_to, liars, what, until):
    def far(a: Attempt):
        a.replay()
        if what == "sleep":
            a.done(sleep(1, until), run(2), propose(2, b"x"), suspension(6, [1], [1]))
        else:
            a.send(wire.send("Echo", "echo", b'"x"', 1, at_ms=until))
            a.expect(wire.CALL_ID)
            a.done(output("honest"), end())

    inv = liars().play(lied_to, far, honest)
    if what == "sleep":
        inv.wait_status("suspended")
        introspection_works(lied_to, inv)
        assert lied_to.admin.inv("cancel", inv.id).status_code in (200, 202)
    assert inv.result() == "honest"
    assert ordinary_call_works(lied_to)


@pytest.mark.parametrize("delay", [2 ** 32, *(pytest.param(n, marks=pytest.mark.peer_fails(HANGS))
                                              for n in (2 ** 63, MOST))], ids=hex)
def test_retry_in_the_farthest_future(lied_to, liars, delay):
    def later(a: Attempt):
        a.replay()
        a.done(wire.error("much later", code=2 ** 32 - 1, delay=delay))

    inv = liars().play(lied_to, later, honest)
    inv.finished(1)
    inv.wait_status("backing-off")
    introspection_works(lied_to, inv)
    assert ordinary_call_works(lied_to)
    assert lied_to.admin.inv("kill", inv.id).status_code == 200
    assert inv.raw().json()["message"] == "killed"
    assert len(inv.attempts) == 1, "the delay is not cut short"


@pytest.mark.peer_fails(HANGS)
def test_numbers_at_the_edge_survive_a_restart(lied_to, liars):
    """Read again from the disk, timers included."""
    def sleeps(a: Attempt):
        a.replay()
        a.done(sleep(1, MOST), sleep(2, 2 ** 63), wire.send("Echo", "echo", b'"x"', 3, at_ms=MOST), suspension(6, [1], [1]))

    def later(a: Attempt):
        a.replay()
        a.done(wire.error("much later", delay=MOST))

    liar = liars()
    asleep, failing = liar.play(lied_to, sleeps, honest), liar.play(lied_to, later, later, honest)
    asleep.wait_status("suspended")
    failing.wait_status("backing-off")
    lied_to.restart()
    assert ordinary_call_works(lied_to)
    assert lied_to.admin.inv("cancel", asleep.id).status_code in (200, 202)
    assert asleep.result() == "honest"
    assert lied_to.admin.inv("kill", failing.id).status_code == 200


@pytest.mark.peer_fails(HANGS)
def test_hint_nested_too_deep_does_no_harm(lied_to, liars):
    """Either way is fine: to pass over it, or to fail the attempt."""
    def hints(a: Attempt):
        a.replay()
        a.send(message(wire.AWAITING_ON, text(1, nest(5000))))
        a.done(output("accepted"), end())

    assert liars(max_version=7).play(lied_to, hints, honest).result() in ("accepted", "honest")
    assert ordinary_call_works(lied_to)


def test_future_of_some_depth_is_fine(lied_to, liars):
    """As deep as no handler nests; the cancellation still wakes it."""
    def waits(a: Attempt):
        a.replay()
        a.done(sleep(1, 2 ** 50), suspension_on(wire.future(signals=[1], children=[nest(20)])))

    inv = liars(max_version=7).play(lied_to, waits, honest)
    inv.wait_status("suspended")
    assert lied_to.admin.inv("cancel", inv.id).status_code in (200, 202)
    assert inv.result() == "honest"


@pytest.mark.parametrize("code", [0, 99, 200, 204, 304, 600, 999, 1000, 65536, 2 ** 32 - 1])
@pytest.mark.parametrize("how", ["terminal", "behaviour"])
def test_odd_code_of_a_failure_still_reaches_the_caller(lied_to, liars, code, how):
    def fails(a: Attempt):
        a.replay()
        if how == "terminal":
            a.done(wire.output_failure(code, "odd"), end())
        else:
            a.done(wire.error("odd", code=code, behavior=2))

    inv = liars(max_version=7).play(lied_to, fails)
    inv.finished(1)
    r = inv.raw()
    assert 200 <= r.status_code <= 999
    # some of the codes are statuses that have no body
    assert r.status_code in (204, 304) or "odd" in r.text
    assert ordinary_call_works(lied_to)


def test_unknown_behaviour_of_an_error_is_a_retry(lied_to, liars):
    def odd(a: Attempt):
        a.replay()
        a.done(wire.error("odd", behavior=77))

    assert liars(max_version=7).play(lied_to, odd, honest).result() == "honest"


@pytest.mark.parametrize("field", [2, 3, 5], ids=["message", "stacktrace", "command_name"])
def test_error_with_a_long_text(lied_to, liars, field):
    def long(a: Attempt):
        a.replay()
        a.done(message(wire.ERROR, num(1, 500), text(field, "long \0 \u2603 " * 200_000)))

    assert liars().play(lied_to, long, honest).result() == "honest"
    assert ordinary_call_works(lied_to)


def test_identity_numbers_at_the_edge(lied_to, liars):
    """The largest completion id and signal index."""
    top = 2 ** 32 - 1

    def edge(a: Attempt):
        a.replay()
        a.send(run(top), propose(top, b"x"))
        assert a.expect(done_type(RUN)).get(1) == top
        a.done(sleep(top - 1, PAST), suspension(6, [top - 1], [top, 1]))

    assert liars().play(lied_to, edge, honest).result() == "honest"


# -- lies below the messages: HTTP/2 and HTTP/1.1 ------------------------------------------

def h2_frame(kind: int, flags: int, stream: int, body: bytes, size: int | None = None) -> bytes:
    return (len(body) if size is None else size).to_bytes(3, "big") + bytes([kind, flags]) + \
        stream.to_bytes(4, "big") + body


@pytest.mark.parametrize("answered", [True, False], ids=["after_headers", "before_headers"])
@pytest.mark.parametrize("raw", [
    pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", id="http1"),
    pytest.param(h2_frame(0, 0, 0, b"data"), id="data_on_stream_0"),
    pytest.param(h2_frame(0, 0, 1 << 20, b"data"), id="data_on_an_unknown_stream"),
    pytest.param(h2_frame(1, 4, 2, b"\x88"), id="headers_on_a_stream_of_the_wrong_side"),
    pytest.param(h2_frame(0, 0, 1, b"", size=0xFFFFFF), id="frame_too_large"),
    pytest.param(h2_frame(8, 0, 0, b"\0\0\0\0"), id="window_update_of_0"),
    pytest.param(h2_frame(8, 0, 0, b"\x7f\xff\xff\xff") * 2, id="window_overflow"),
    pytest.param(h2_frame(4, 0, 0, b"\0\4\xff\xff\xff\xff"), id="settings_window_too_large"),
    pytest.param(h2_frame(7, 0, 0, b"\0\0\0\0\0\0\0\0"), id="goaway_at_once"),
    pytest.param(h2_frame(1, 4, 1, b"\xff" * 40), id="headers_that_do_not_decode"),
    pytest.param(h2_frame(99, 0, 0, b"?"), id="unknown_frame_type_is_no_lie")])
def test_rubbish_on_a_http2_connection(lied_to, liars, raw, answered):
    """The connection may go down, with all on it; the invocation goes on over another one."""
    def rubbish(a: Attempt):
        a.replay()
        if answered:
            a.answer()
        a.send_on_connection(raw)
        a.hang_up()

    inv = liars().play(lied_to, rubbish, honest)
    assert inv.result() == "honest"
    assert ordinary_call_works(lied_to)


@pytest.mark.parametrize("headers", [
    {}, {":status": ""}, {":status": "abc"}, {":status": "99"}, {":status": "1000"}, {":status": "200", ":path": "/"},
    {":status": "200", "content-type": "application/vnd.restate.invocation.v6", "x-long": "y" * 200_000}],
    ids=["none", "empty_status", "status_abc", "status_99", "status_1000", "request_header", "very_long"])
def test_response_headers_that_are_none(lied_to, liars, headers):
    def odd(a: Attempt):
        a.replay()
        a.send_headers(headers)
        a.send(output("lie"), end())
        a.wait_closed()
        if not a.broken:
            a.end()

    inv = liars().play(lied_to, odd, honest)
    # a header that is merely long may be taken
    assert inv.result() == ("lie" if len(headers) == 3 and len(inv.attempts) == 1 else "honest")
    assert ordinary_call_works(lied_to)


@pytest.mark.parametrize("raw", [
    b"rubbish\r\n\r\n", b"HTTP/1.1 200\r\n", b"HTTP/1.1 abc OK\r\n\r\n", b"\0" * 4000, b"HTTP/9.9 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-type: {type}\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-type: {type}\r\ntransfer-encoding: chunked\r\n\r\n8\r\n\0\3",
    b"HTTP/1.1 200 OK\r\ncontent-type: {type}\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff0\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-type: {type}\r\ncontent-length: 99\r\n\r\n\0\3",
    b"HTTP/1.1 200 OK\r\ncontent-type: {type}\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcd",
    b"HTTP/1.1 200 OK\r\ncontent-type: {type}\r\ncontent-length: 0\r\n\r\n"],
    ids=["rubbish", "half_a_head", "status_abc", "zeros", "other_version", "no_colon", "bad_chunk", "cut_chunk",
         "huge_chunk", "cut_body", "two_lengths", "empty"])
def test_rubbish_on_a_http1_connection(lied_to, liars, raw):
    def rubbish(a: Attempt):
        a.replay()
        a.send_on_connection(raw.replace(b"{type}", a.headers["content-type"].encode()))
        a.hang_up()

    inv = liars(http1=True, mode="REQUEST_RESPONSE").play(lied_to, rubbish, honest)
    assert inv.result() == "honest" and len(inv.attempts) == 2
    assert ordinary_call_works(lied_to)


@pytest.mark.parametrize("body", [
    b"", b"not json", b"null", b"[]", b"{}", b'{"protocolMode": "SMOKE_SIGNALS"}', b"\xff\xfe", b"[" * 100_000,
    b'{"protocolMode":"BIDI_STREAM","minProtocolVersion":5,"maxProtocolVersion":99999999999999999999,"services":[]}',
    b'{"protocolMode":"BIDI_STREAM","minProtocolVersion":7,"maxProtocolVersion":5,"services":[]}',
    b'{"protocolMode":"BIDI_STREAM","minProtocolVersion":90,"maxProtocolVersion":91,"services":[]}',
    b'{"protocolMode":"BIDI_STREAM","minProtocolVersion":1,"maxProtocolVersion":4,"services":[]}',
    b'{"protocolMode":"BIDI_STREAM","minProtocolVersion":5,"maxProtocolVersion":6,"services":[{}]}',
    b'{"protocolMode":"BIDI_STREAM","minProtocolVersion":5,"maxProtocolVersion":6,"services":[{"name":"A/b",'
    b'"ty":"SERVICE","handlers":[]}]}',
    b'{"protocolMode":"BIDI_STREAM","minProtocolVersion":5,"maxProtocolVersion":6,"services":[{"name":"restate.x",'
    b'"ty":"SERVICE","handlers":[]}]}',
    b'{"protocolMode":"BIDI_STREAM","minProtocolVersion":5,"maxProtocolVersion":6,"services":[{"name":"A",'
    b'"ty":"SERVICE","handlers":[{"name":"h","ty":"EXCLUSIVE"}]}]}',
    b'{"protocolMode":"BIDI_STREAM","minProtocolVersion":5,"maxProtocolVersion":6,"services":[{"name":"A",'
    b'"ty":"SERVICE","handlers":[{"name":"h","retryPolicyMaxAttempts":-1}]}]}',
], ids=["empty", "no_json", "null", "list", "no_fields", "unknown_mode", "no_text", "deep", "huge_version",
        "versions_crossed", "versions_too_new", "versions_too_old", "service_without_name", "bad_name",
        "reserved_name", "wrong_kind", "negative"])
def test_manifest_that_is_none_is_refused(lied_to, liars, body):
    liar = liars()
    liar.manifest = lambda: body
    before = lied_to.listed()
    r = lied_to.admin.register_raw(liar.url)
    assert r.status_code >= 400 and r.json()["message"], "refused, with a reason"
    assert lied_to.listed() == before
    assert ordinary_call_works(lied_to)


# -- many at once --------------------------------------------------------------------------

def random_message(r: random.Random) -> bytes:
    """Any type but the three last messages; a body of random fields, or of random bytes."""
    kind = r.choice([r.randrange(4, 9), r.randrange(0x0400, 0x0418), r.randrange(0x8000, 0x8016),
                     r.randrange(9, 0x10000), RUN, SLEEP, wire.PROPOSE])
    if r.random() < 0.3:
        return message(kind, r.randbytes(r.randrange(0, 40)), flags=r.choice([0, wire.ACK, 0xFFFF]))
    some = [b""]
    for _ in range(r.randrange(0, 6)):
        number = r.choice([1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 14, 15, 16, 17, 99])
        some.append(r.choice([
            num(number, r.choice([0, 1, 2, 3, PAST, 2 ** 31, 2 ** 32, MOST])), text(number, r.randbytes(r.randrange(0, 9))),
            value(number, b"v"), nested(number, num(1, 500), text(2, "why")), text(number, "Echo"), nested(number)]))
    return message(kind, *some, flags=r.choice([0, 0, wire.ACK]))


@pytest.mark.peer_fails(STOPS)
@pytest.mark.parametrize("version", [5, 6, 7])
def test_random_messages_do_no_harm(lied_to, liars, version):
    def random_attempt(seed: int):
        def script(a: Attempt):
            r = random.Random(f"{version}.{seed}.{a.number}")
            a.replay()
            a.send(*(random_message(r) for _ in range(r.randrange(1, 12))))
            a.end()
        return script

    liar = liars(max_version=version)
    services = [liar.service(ty) for ty in ("SERVICE", OBJECT, WORKFLOW)]
    for seed in range(30):
        for s in services[:2]:
            s.handler(f"h{seed}", random_attempt(seed), random_attempt(seed), honest)
    services[2].handler("h0", random_attempt(99), random_attempt(99), honest)
    lied_to.register(liar)
    sent = [liar.send(lied_to, s, h, key=None if s.ty == "SERVICE" else h) for s in services for h in s.handlers]
    assert [inv.result() for inv in sent] == ["honest"] * len(sent)
    for inv in sent:
        introspection_works(lied_to, inv)
    assert ordinary_call_works(lied_to)


@pytest.mark.peer_fails(STOPS)
def test_all_lies_at_once_then_kill(fresh_server, services, liars):
    """Every lie is in flight when the server is killed; it comes back and finishes them all."""
    server = fresh_server(every_version=True)
    server.register(services[0])
    made = {6: liars(max_version=6), 7: liars(max_version=7)}
    lies: dict[tuple, dict[str, Lie]] = {}
    for lie in LIES:
        lies.setdefault((lie.version, lie.ty, lie.shared), {})[lie.name] = lie

    told = []
    for (version, ty, shared), group in lies.items():
        service = made[version].service(ty)
        for name, lie in group.items():
            service.handler(name, lie.attempt, lie.attempt, honest, **({"ty": "SHARED"} if shared else {}))
        if ty == WORKFLOW and not shared:
            # a workflow has one run handler; each lie is a workflow of its own
            service.handlers = dict(list(service.handlers.items())[:1])
        told += [(made[version], service, name) for name in service.handlers]
    for liar in made.values():
        server.register(liar)
    sent = [liar.send(server, service, name, key=None if service.ty == "SERVICE" else name)
            for liar, service, name in told]
    for inv in sent[::3]:
        inv.attempt(1)
    server.restart()
    assert [inv.result() for inv in sent] == ["honest"] * len(sent)
    assert ordinary_call_works(server)
