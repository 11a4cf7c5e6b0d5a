"""state: get, patch, edit and clear."""
import json

from check import check
from harness.probe import eventually


def keep(w, key, *items):
    for item in items:
        w.ingress.call("Cart", "add", item, key)


@check("state get: as a table, as JSON, and as bytes")
def get(w):
    keep(w, "get", "book")
    w.cli("state", "get", "Cart", "get").ok.says("Service Cart", "Key get", "KEY VALUE", "count 1") \
        .in_order("items [", '"book"', "]")
    plain = w.cli("state", "get", "Cart", "get", "--plain").ok
    assert json.loads(plain.out) == {"items": ["book"], "count": 1}, plain
    w.cli("state", "get", "Cart", "get", "--binary").ok.says('count "MQ=="', 'items "WyJib29rIl0="')
    assert json.loads(w.cli("state", "get", "Cart", "nobody", "--plain").ok.out) == {}


@check("state patch: by JSON patch")
def patch(w):
    keep(w, "patch", "book")
    w.cli.yes("state", "patch", "Cart", "patch", "--patch", json.dumps(
        [{"op": "add", "path": "/items/-", "value": "pen"}, {"op": "remove", "path": "/count"}])) \
        .ok.says("Force? false", "Successfully submitted state update.")
    eventually(lambda: w.items("patch") == ["book", "pen"], what="the patch is applied")
    assert json.loads(w.cli("state", "get", "Cart", "patch", "-p").ok.out) == {"items": ["book", "pen"]}
    w.cli.yes("state", "patch", "Cart", "patch", "--force", "--patch",
              '[{"op": "replace", "path": "/items", "value": []}]').ok.says("Force? true")
    eventually(lambda: w.items("patch") == [], what="the forced patch is applied")


@check("state edit: in an editor, and only once for what it saw")
def edit(w):
    keep(w, "edit", "book")
    saw, answer = w.cli.edited('{"items": ["lamp"], "count": 1}', "state", "edit", "Cart", "edit")
    assert json.loads(saw) == {"items": ["book"], "count": 1}, saw
    answer.ok.says("Successfully submitted state update.")
    eventually(lambda: w.items("edit") == ["lamp"], what="the edit is applied")
    _, answer = w.cli.edited('{"items": ["sofa"]}', "state", "edit", "Cart", "edit", "--force")
    answer.ok
    eventually(lambda: w.items("edit") == ["sofa"], what="the forced edit is applied")


@check("state patch: comes after the call that holds the key")
def patch_waits(w):
    keep(w, "held", "book")
    holder, tag = w.running("Cart", "held")
    change = ("state", "patch", "Cart", "held", "--patch",
              '[{"op": "replace", "path": "/items", "value": ["pen"]}]')
    if w.ours:  # it names the version that it saw, which the call may be changing
        w.cli.yes(*change).fails("409 Conflict")
        change = (*change, "--force")
    w.cli.yes(*change).ok.says("Successfully submitted state update.")
    assert w.items("held") == ["book"]
    w.probe.open(tag)
    w.wait_for(holder, "completed")
    eventually(lambda: w.items("held") == ["pen"], what="the patch is applied after the call")


@check("state clear: one key, then all of a service")
def clear(w):
    for key in ("clear-1", "clear-2", "clear-3"):
        keep(w, key, "book")
    w.cli.yes("state", "clear", "Cart/clear-1").ok.says("Cart/clear-1 [", "Enqueued successfully")
    eventually(lambda: w.items("clear-1") == [], what="the key is cleared")
    assert w.items("clear-2") == ["book"]
    w.cli.yes("state", "clear", "Cart", "--force").ok.says("Cart/clear-2 [", "Cart/clear-3 [") \
        .lacks("Cart/clear-1 [")
    eventually(lambda: not w.admin.query("SELECT key FROM state WHERE service_name = 'Cart'"),
               what="all state of Cart is cleared")
    w.cli.yes("state", "clear", "Cart/clear-1").fails("No state found!")
