"""Plain HTTP clients for the ingress and the admin API, and the one way to wait."""
import http.client
import json
import os
import socket
import time
from concurrent.futures import Future
from threading import Thread
from urllib.parse import quote

#: seconds that a request, or a condition, may take
PATIENCE = float(os.environ.get("SDKS_PATIENCE", "30"))
NOTHING = object()


def eventually(condition, what, limit=PATIENCE):
    """Waits until a condition holds and returns what it gave; TimeoutError after `limit` s."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"not within {limit:g} s: {what}")
        time.sleep(0.02)


def in_background(function, *args, **kwargs) -> Future:
    """Runs it in a thread of its own; the result or error is in the future."""
    future = Future()

    def go():
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as e:  # noqa: BLE001 - handed to the waiter
            future.set_exception(e)

    Thread(target=go, daemon=True).start()
    return future


class Reply:
    """An answer, whatever its status."""

    def __init__(self, request, status, body):
        self.request, self.status, self.body = request, status, body

    def __str__(self):
        return f"{self.request} -> {self.status} {self.body[:400].decode(errors='replace')}"

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def value(self):
        """The decoded result of a success; AssertionError with the whole answer otherwise."""
        assert 200 <= self.status < 300, str(self)
        return self.json if self.body else None

    def failed_with(self, code, message):
        """Asserts a failure of the invocation, with this code and these words."""
        assert self.status == code, f"expected {code}: {self}"
        failure = self.json
        assert failure["code"] == code and failure["source"] == "invocation", \
            f"expected a failure of the invocation: {self}"
        assert message in failure["message"], f"expected the words '{message}': {self}"


class Client:
    def __init__(self, address):
        self.address = address

    def request(self, method, path, arg=NOTHING, headers=None, content_type="application/json"):
        """One request on a connection of its own. A body of bytes goes as it is."""
        headers = dict(headers or {})
        body = None
        if arg is not NOTHING:
            body = arg if isinstance(arg, bytes) else json.dumps(arg).encode()
            headers["content-type"] = content_type
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Reply(f"{method} {path}", answer.status, answer.read())
        except socket.timeout:
            raise AssertionError(f"{method} {path}: no answer within {PATIENCE:g} s") from None
        except http.client.HTTPException as e:
            raise AssertionError(f"{method} {path}: {type(e).__name__} {e}") from None
        finally:
            connection.close()


class Ingress(Client):
    def services(self):
        """The names that it lists, or None while it does not answer."""
        try:
            reply = self.request("GET", "/restate/health")
        except (OSError, AssertionError):
            return None
        return set(reply.json["services"]) if reply.status == 200 else None

    def call(self, service, handler, arg=NOTHING, key=None, idempotency_key=None) -> Reply:
        headers = {"idempotency-key": idempotency_key} if idempotency_key else None
        return self.request("POST", path(service, handler, key), arg, headers)

    def call_in_background(self, *args, **kwargs) -> Future:
        return in_background(self.call, *args, **kwargs)

    def send(self, service, handler, arg=NOTHING, key=None) -> str:
        """The id of the invocation."""
        return self.request("POST", path(service, handler, key) + "/send", arg).value["invocationId"]

    def attach(self, invocation) -> Reply:
        return self.request("GET", f"/restate/invocation/{invocation}/attach")

    def is_finished(self, invocation) -> bool:
        reply = self.request("GET", f"/restate/invocation/{invocation}/output")
        return reply.status != 470

    def workflow(self, verb, name, key) -> Reply:
        return self.request("GET", f"/restate/workflow/{name}/{quote(key, safe='')}/{verb}")

    def resolve(self, awakeable, value):
        reply = self.request("POST", f"/restate/awakeables/{awakeable}/resolve", value)
        assert reply.status == 202, str(reply)

    def reject(self, awakeable, reason):
        reply = self.request("POST", f"/restate/awakeables/{awakeable}/reject", reason.encode(),
                             content_type="text/plain")
        assert reply.status == 202, str(reply)


class Admin(Client):
    def healthy(self):
        try:
            return self.request("GET", "/health").status == 200
        except (OSError, AssertionError):
            return False

    def register(self, url):
        """What the server found at the endpoint."""
        return self.request("POST", "/deployments", {"uri": url}).value

    def cancel(self, invocation):
        reply = self.request("PATCH", f"/invocations/{invocation}/cancel")
        assert reply.status in (200, 202), str(reply)

    def status(self, invocation):
        """The status in SQL, or None for an invocation that it does not know."""
        sql = f"SELECT id, status FROM sys_invocation WHERE id = '{invocation}'"
        rows = self.request("POST", "/query", {"query": sql},
                            {"accept": "application/json"}).value["rows"]
        return rows[0]["status"] if rows else None


def path(service, handler, key=None):
    parts = [service] + ([key] if key is not None else []) + [handler]
    return "/" + "/".join(quote(p, safe="") for p in parts)
