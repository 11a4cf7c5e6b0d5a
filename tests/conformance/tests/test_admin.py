"""The admin API as a whole: one shape of errors, its own description, state, health."""
import re
from urllib.parse import quote

import pytest
from jsonschema import Draft202012Validator, ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from harness.probe import eventually
from harness.procs import Server

pytestmark = pytest.mark.needs("admin")

JSON = {"content-type": "application/json"}
NO_INVOCATION = "inv_1000000000000000000000000000000000"


def assert_refused(r, *statuses):
    assert r.status_code in statuses, f"{r.status_code} {r.text[:300]}"
    assert r.headers["content-type"] == "application/json"
    body = r.json()
    assert isinstance(body["message"], str) and body["message"]
    assert "restate_code" in body
    return body["message"]


@pytest.mark.parametrize("version", ["", "/v2", "/v3", "/v4"])
@pytest.mark.parametrize("method,path,kw,status", [
    ("GET", "/nothing/here", {}, 404),
    ("GET", "/deployments/", {}, 404),
    ("DELETE", "/services", {}, 405),
    ("POST", "/deployments", {"content": "{", "headers": JSON}, 400),
    ("POST", "/deployments", {"content": "[1]", "headers": JSON}, 422),
    ("POST", "/deployments", {"content": '{"uri": 1}', "headers": JSON}, 422),
    ("POST", "/deployments", {"content": '{"uri": "http://a"}'}, 415),
    ("GET", "/deployments/nonsense", {}, 400),
    ("DELETE", "/deployments/dp_1nonsense", {}, 400),
    ("DELETE", "/deployments/dp_1nonsense?force=perhaps", {}, 400),
    ("GET", "/services?limit=many", {}, 400),
    ("PATCH", "/services/Echo", {"json": {"abort_timeout": 5}}, 400),
    ("PATCH", "/services/Echo", {"json": {"retention": "1d"}}, 400),
    ("PATCH", "/services/NoSuch", {"json": {"public": True}}, 404),
    ("PATCH", "/invocations/nonsense/cancel", {}, 400),
    ("PATCH", f"/invocations/{NO_INVOCATION}/cancel", {}, 404),
    ("PATCH", f"/invocations/{NO_INVOCATION}/stop", {}, 400),
    ("PATCH", f"/invocations/{NO_INVOCATION}/restart-as-new?from=x", {}, 400),
    ("GET", f"/invocations/{NO_INVOCATION}", {}, 404),
    ("GET", f"/invocations/{NO_INVOCATION}/journal", {}, 404),
    ("POST", "/services/Counter/state", {"json": {"object_key": "k"}}, 422),
    ("POST", "/services/Counter/state", {"json": {"object_key": "k", "new_state": {"a": [256]}}}, 422),
    ("GET", "/services/NoSuch/state/k", {}, 404),
    ("GET", "/services/Echo/state/k", {}, 400),
    ("POST", "/internal/invocations_batch_operations/stop", {"json": {"invocation_ids": []}}, 400),
    ("GET", "/kafka-clusters/c", {}, 404),
    ("POST", "/kafka-clusters", {"json": {"name": "c", "properties": {}}}, 501),
    ("POST", "/subscriptions", {"json": {}}, 501),
    ("PUT", "/limits/rules", {"json": [{"pattern": "*"}]}, 501),
    ("POST", "/vqueues/vq_1x/pause", {}, 501),
    ("POST", "/internal/services/Echo/serdes/decode/x", {"content": b"x"}, 501),
])
def test_every_refusal_has_one_shape(admin, version, method, path, kw, status):
    assert_refused(admin.request(method, version + path, **kw), status)


def test_a_body_that_is_too_large(admin):
    assert_refused(admin.post("/query", content=b" " * (33 << 20), headers=JSON), 413)


def test_what_there_is_none_of_is_empty(admin):
    assert admin.get("/kafka-clusters").json() == {"clusters": []}
    assert admin.get("/subscriptions").json() == {"subscriptions": []}
    assert admin.request("PUT", "/limits/rules", json=[]).json() == []
    assert admin.post("/limits/rules/bulk-delete", json=[{"pattern": "a"}]).json() == []


def test_a_batch_with_a_malformed_id_does_the_others(api, admin, tag):
    inv = api.send_id("Echo", "echo", 1, delay="1h", idem=tag)
    r = admin.post("/internal/invocations_batch_operations/kill",
                   json={"invocation_ids": ["nonsense", inv]})
    assert r.status_code == 200 and r.json()["succeeded"] == [inv]
    assert r.json()["failed"][0]["invocation_id"] == "nonsense" and r.json()["failed"][0]["error"]
    many = admin.post("/internal/invocations_batch_operations/kill",
                      json={"invocation_ids": ["x"] * 1001})
    assert_refused(many, 400)


# -- what the API says of itself ------------------------------------------------

class Described:
    """An OpenAPI document, to hold answers against."""

    def __init__(self, doc):
        assert doc["openapi"].startswith("3.1")
        self.doc = doc
        resource = DRAFT202012.create_resource(doc)
        self.registry = Registry().with_resource("urn:doc", resource)

    def check(self, value, *pointer):
        steps = "/".join(p.replace("~", "~0").replace("/", "~1") for p in pointer)
        schema = {"$ref": quote(f"urn:doc#/{steps}", safe="#/:~")}
        Draft202012Validator(schema, registry=self.registry).validate(value)

    def answer(self, verb, path, r):
        """Holds an answer against what the document says of it."""
        said = self.doc["paths"][path][verb]["responses"]
        status = str(r.status_code)
        if status in said:
            pointer = ["paths", path, verb, "responses", status]
            here = said[status]
        else:
            assert r.status_code >= 400, f"{verb} {path}: {status} is not described"
            pointer, here = ["paths", path, verb, "responses", "default"], said["default"]
        if "$ref" in here:
            pointer = here["$ref"].removeprefix("#/").split("/")
            here = self.doc[pointer[0]][pointer[1]][pointer[2]]
        for content_type in here.get("content", {}):
            assert r.headers["content-type"].startswith(content_type) or content_type == "*/*"
            if here["content"][content_type].get("schema") is not None:
                self.check(r.json(), *pointer, "content", content_type, "schema")


def test_answers_are_as_the_api_describes_them(api, admin, probe, key, tag):
    inv = api.send_id("Counter", "addOnGate", {"n": 1, "tag": tag}, key)
    probe.wait(tag)
    queued = api.send_id("Counter", "add", 1, key)
    api.call("KV", "script", [["set", "a", 1], ["set", "b", "two"]], key)
    described = Described(admin.get("/openapi").json())
    with pytest.raises(ValidationError):
        described.check({"id": inv}, "components", "schemas", "Why")
    deployment = admin.get("/services/Counter").json()["deployment_id"]
    values = {"service": "KV", "handler": "script", "key": key}
    bodies = {"/query": {"query": "SELECT id FROM sys_invocation LIMIT 1"}}
    count = 0
    for path, verbs in described.doc["paths"].items():
        for verb, said in verbs.items():
            if "text/event-stream" in said["responses"].get("200", {}).get("content", {}):
                continue  # it never ends
            for name in (inv, queued, deployment, NO_INVOCATION):
                at = path.replace("{id}", name)
                at = re.sub(r"{(\w+)}", lambda m: values.get(m[1], "nothing"), at)
                if verb != "get" and path not in bodies and name is not NO_INVOCATION:
                    continue
                kw = {"json": bodies.get(path, {})} if verb in ("post", "put", "patch") else {}
                if path == "/query":
                    kw["headers"] = {"accept": "application/json"}
                r = admin.request(verb.upper(), at, **kw)
                assert "nothing is served" not in r.text and r.status_code != 405, f"{verb} {at}"
                described.answer(verb, path, r)
                count += r.status_code < 300
    assert count > 15, "hardly anything was answered"
    probe.open(tag)
    api.attach(queued)


def test_a_service_is_called_as_it_is_described(api, admin, key, tag):
    doc = admin.get("/services/Counter/openapi").json()
    described = Described(doc)
    assert doc["info"]["title"] == "Counter"
    assert {s["url"].rstrip("/") for s in doc["servers"]} == {api.base}

    def go(verb, path, **kw):
        assert verb in doc["paths"][path], path
        at = path.replace("{key}", key).replace("{idempotencyKey}", tag)
        r = api.request(verb.upper(), at, **kw)
        described.answer(verb, path, r)
        return r

    once = {"idempotency-key": tag}
    first = go("post", "/restate/call/Counter/{key}/add", json=1, headers=once)
    assert first.status_code == 200 and first.json()["now"] == 1
    sent = go("post", "/restate/send/Counter/{key}/add", json=1, headers=once)
    assert sent.status_code == 202 and sent.json()["status"] == "PreviouslyAccepted"
    again = go("get", "/restate/invocation/Counter/{key}/add/{idempotencyKey}/attach")
    assert again.json() == first.json()
    assert go("get", "/restate/invocation/Counter/{key}/add/{idempotencyKey}/output").status_code == 200
    refused = go("post", "/restate/call/Counter/{key}/add", content=b"x", headers={"content-type": "text/plain"})
    assert refused.status_code == 400
    hidden = admin.get("/services/HalfPrivate/openapi").json()["paths"]
    assert any(p.endswith("/open") for p in hidden) and not any("/shut" in p for p in hidden)
    flow = admin.get("/services/Quick/openapi").json()["paths"]
    assert "/restate/workflow/Quick/{key}/attach" in flow
    assert admin.get("/services/NoSuch/openapi").status_code == 404


# -- state -----------------------------------------------------------------------

def test_state_of_a_key_is_read_and_changed(api, admin, key):
    path = f"/services/KV/state/{key}"
    empty = admin.get(path).json()
    assert empty["state"] == {} and empty["version"] == "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
    api.call("KV", "script", [["set", "a", 1], ["set", "b", 2], ["set", "c", 3]], key)
    before = eventually(lambda: len(admin.get(path).json()["state"]) == 3 and admin.get(path).json())
    assert before["state"] == {"a": "1", "b": "2", "c": "3"}

    changed = admin.patch(path, json={"set": {"b": "22"}, "delete": ["c"], "version": before["version"]})
    assert changed.status_code == 202
    now = eventually(lambda: admin.get(path).json()["version"] != before["version"] and admin.get(path).json())
    assert now["state"] == {"a": "1", "b": "22"}
    # whoever has seen the old one is told
    for stale in (
        admin.patch(path, json={"set": {"a": "9"}, "version": before["version"]}),
        admin.request("PUT", path, json={"state": {}, "version": before["version"]}),
        admin.request("DELETE", path, params={"version": before["version"]}),
        admin.post("/services/KV/state", json={
            "object_key": key, "new_state": {}, "version": before["version"]}),
    ):
        assert before["version"] in assert_refused(stale, 409)
    assert admin.get(path).json()["state"] == now["state"]
    assert admin.request("DELETE", path, params={"version": now["version"]}).status_code == 202
    eventually(lambda: admin.get(path).json()["state"] == {})
    assert admin.request("PUT", path, json={"state": {"z": [255, 0]}}).status_code == 202
    eventually(lambda: admin.get(path).json()["state"] == {"z": [255, 0]})
    assert_refused(admin.patch(path, json={"sets": {}}), 422)


def test_state_is_not_changed_under_whoever_holds_the_key(api, admin, probe, key, tag):
    path = f"/services/Counter/state/{key}"
    inv = api.send_id("Counter", "addOnGate", {"n": 1, "tag": tag}, key)
    probe.wait(tag)
    seen = admin.get(path).json()
    assert seen["held_by"] == inv
    for refused in (
        admin.patch(path, json={"set": {"n": "5"}}),
        admin.request("PUT", path, json={"state": {"n": "5"}, "version": seen["version"]}),
        admin.post("/services/Counter/state", json={
            "object_key": key, "new_state": {"n": "5"}, "version": seen["version"]}),
    ):
        assert inv in assert_refused(refused, 409)
    # without a version it waits for its turn
    assert admin.request("PUT", path, json={"state": {"n": "40"}}).status_code == 202
    probe.open(tag)
    api.attach(inv)
    eventually(lambda: admin.get(path).json()["state"] == {"n": "40"})
    assert api.call("Counter", "add", 2, key)["now"] == 42


def test_keys_with_slashes(admin, key):
    path = f"/services/KV/state/{quote(key + '/a b', safe='')}"
    assert admin.request("PUT", path, json={"state": {"n": "1"}}).status_code == 202
    eventually(lambda: admin.get(path).json()["object_key"] == key + "/a b"
               and admin.get(path).json()["state"] == {"n": "1"})


# -- health ------------------------------------------------------------------------

def test_a_disk_that_is_nearly_full_is_no_health(workdir):
    healthy = Server(workdir, name="roomy")
    healthy.start()
    try:
        r = healthy.admin.get("/health")
        assert r.status_code == 200 and r.content == b""
    finally:
        healthy.kill9()
    cramped = Server(workdir, name="cramped")
    cramped.env["LATCHWORK_DISK_BYTES_MIN"] = str(1 << 62)
    cramped.spawn()
    try:
        def seen():
            try:
                r = cramped.admin.get("/health")
            except Exception:
                return False
            return r.status_code == 503 and r
        r = eventually(seen, 30)
        assert "disk" in assert_refused(r, 503)
        assert [reason["code"] for reason in r.json()["reasons"]] == ["disk_nearly_full"]
        ingress = cramped.ingress.get("/restate/health")
        assert ingress.status_code == 503 and "disk" in ingress.json()["message"]
    finally:
        cramped.kill9()
