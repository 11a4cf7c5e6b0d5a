"""A server on a data directory, handlers, and how to talk with them."""
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

SUITE = Path(__file__).resolve().parent.parent / "conformance"
CACHE = Path(os.environ.get("CONFORMANCE_CACHE") or SUITE / ".cache").absolute()
WAIT_S = 60


class Skipped(Exception):
    """What a check needs is not to be had on this machine."""


def free_port():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


def http(method, url, body=None, headers=()):
    """The status and the text of an answer."""
    request = urllib.request.Request(url, method=method, headers={
        "content-type": "application/json", "accept": "application/json", **dict(headers)},
        data=None if body is None else json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def until(what, condition):
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        try:
            found = condition()
        except OSError:
            found = None
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {WAIT_S} s: {what}")


class Server:
    """A server process on a data directory."""

    def __init__(self, command, data, log, env):
        self.output = log
        self.ingress, self.admin = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self.process = subprocess.Popen(
            command, stdout=self.output.open("wb"), stderr=subprocess.STDOUT,
            env={**os.environ, "LATCHWORK_INGRESS_ADDR": self.ingress,
                 "LATCHWORK_ADMIN_ADDR": self.admin, "LATCHWORK_DATA_DIR": str(data), **env})

    def health(self):
        """The status of the health check, and its reasons."""
        status, text = http("GET", f"http://{self.admin}/health")
        return status, [reason["code"] for reason in json.loads(text or "{}").get("reasons", [])]

    def ready(self):
        def healthy():
            assert self.process.poll() is None, self.text()
            return self.health()[0] == 200
        until("the server is healthy", healthy)
        return self

    def text(self):
        return self.output.read_text(errors="replace")

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()

    def refusal(self):
        """What it says when it does not start, or stops by itself."""
        try:
            code = self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it goes on: {self.text()}") from None
        assert code != 0, self.text()
        assert "panicked" not in self.text(), self.text()
        return self.text()

    def send(self, name, ms=1, **more):
        """The status and the text of the answer to a send."""
        return http("POST", f"http://{self.ingress}/Steps/work/send",
                    {"name": name, "ms": ms, **more}, {"idempotency-key": name})

    def submit(self, name, ms=1, **more):
        status, text = self.send(name, ms, **more)
        assert status in (200, 202), (status, text)
        return self.found(text)

    @staticmethod
    def found(text):
        """The invocation that the answer to a send names."""
        return json.loads(text)["invocationId"]

    def outcome(self, invocation):
        url = f"http://{self.ingress}/restate/invocation/{invocation}/attach"
        status, text = http("GET", url)
        assert status == 200, (status, text)
        return json.loads(text)

    def completed(self, ids):
        """Every one of these, by name, has the outcome that it must have."""
        for name, invocation in ids.items():
            assert self.outcome(invocation) == [f"{name}-1", f"{name}-2"], name

    def add(self, key, by):
        return http("POST", f"http://{self.ingress}/Counter/{key}/add", {"by": by})

    def sql(self, statement):
        status, text = http("POST", f"http://{self.admin}/query", {"query": statement})
        assert status == 200, (status, text)
        return json.loads(text)["rows"]


class Handlers:
    """The process with the handlers."""

    def __init__(self, program, folder, env):
        self.endpoint = f"http://127.0.0.1:{free_port()}"
        # Beside the packages, where they are found.
        self.program = CACHE / "ts" / f"handlers-{self.endpoint.rpartition(':')[2]}.mjs"
        shutil.copyfile(program, self.program)
        self.process = subprocess.Popen(
            [os.environ.get("NODE", "node"), self.program, self.endpoint.rpartition(":")[2]],
            stdout=(folder / f"{self.program.stem}.log").open("wb"), stderr=subprocess.STDOUT,
            env={**os.environ, **env})

    def register(self, server, **more):
        wish = {"uri": self.endpoint, **more}
        until("the handlers are registered", lambda: http(
            "POST", f"http://{server.admin}/deployments", wish)[0] in (200, 201))

    def move_to(self, server):
        """Becomes the only deployment that a server knows, which was elsewhere."""
        (one,) = json.loads(http("GET", f"http://{server.admin}/deployments")[1])["deployments"]
        until("the handlers are found", lambda: http(
            "PATCH", f"http://{server.admin}/deployments/{one['id']}",
            {"uri": self.endpoint, "overwrite": True})[0] == 200)

    @contextlib.contextmanager
    def stopped(self):
        """It does nothing meanwhile, and does not know it."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def close(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        self.program.unlink(missing_ok=True)


class World:
    def __init__(self, command, folder, program, **env):
        self.command, self.folder, self.program = command, folder, program
        self.handlers = Handlers(program, folder, env)
        self.others, self.servers = [], []

    def serve(self, data, *flags, **env):
        log = self.folder / f"server-{len(self.servers)}-{data.name}.log"
        self.servers.append(Server([*self.command, *flags], data, log, env))
        return self.servers[-1]

    def more_handlers(self, **env):
        """Handlers of their own, with another environment."""
        self.others.append(Handlers(self.program, self.folder, env))
        return self.others[-1]

    def used(self, name):
        """A directory of a server that was killed, with outcomes and a sum; and their ids."""
        data = self.folder / name
        server = self.serve(data).ready()
        self.handlers.register(server)
        ids = {f"{name}-{n}": server.submit(f"{name}-{n}") for n in range(5)}
        server.completed(ids)
        assert server.add("a", 7) == (200, "7")
        server.kill()
        return data, ids

    def holds(self, data, ids):
        """A server on it has every outcome, and the sum."""
        server = self.serve(data).ready()
        server.completed(ids)
        assert server.add("a", 1) == (200, "8")
        text = server.text()
        server.kill()
        return text

    def doctor(self, data, *more):
        return self.ask("doctor", "--data-dir", data, *more)

    def latchwork(self, server, *command):
        """What a command prints that does what it should, with a server or without."""
        admin = {"LATCHWORK_ADMIN_ADDR": server.admin} if server else {}
        code, text = self.ask(*command, **admin)
        assert code == 0, (command, code, text)
        return text

    def ask(self, *command, **env):
        done = subprocess.run([self.command[0], *command], text=True, capture_output=True,
                              timeout=WAIT_S, env={**os.environ, **env})
        text = done.stdout + done.stderr
        assert "panicked" not in text, text
        return done.returncode, text

    def close(self):
        for server in self.servers:
            server.kill()
        for one in [self.handlers, *self.others]:
            one.close()
