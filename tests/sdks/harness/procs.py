"""Starting, killing and restarting the server under test and the endpoints.

A process keeps its command, ports and folders over restarts. Each leads a group of its own,
known by its pid, and the whole group is ended, however the run ends: where the command is a
wrapper, killing the wrapper alone would leave the server alive.
"""
import ctypes
import os
import random
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from .clients import Admin, Ingress, eventually

#: seconds until a process must be ready
START_LIMIT = 60
#: ports are taken from here, below the system's range of outgoing ports
PORTS = range(30000, 32700)

_alive = set()
_taken = set()


def latchwork(ingress, admin, _node, data_dir):
    return {
        "LATCHWORK_INGRESS_ADDR": ingress,
        "LATCHWORK_ADMIN_ADDR": admin,
        "LATCHWORK_DATA_DIR": data_dir,
    }


def restate(ingress, admin, node, data_dir):
    return {
        "RESTATE_INGRESS__BIND_ADDRESS": ingress,
        "RESTATE_ADMIN__BIND_ADDRESS": admin,
        "RESTATE_BIND_ADDRESS": node,
        "RESTATE_BASE_DIR": data_dir,
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_DISABLE_TELEMETRY": "true",
        "RESTATE_LOG_DISABLE_ANSI_CODES": "true",
    }


#: the environment that configures each kind of server
KINDS = {"latchwork": latchwork, "restate": restate}


def absolute(command: str) -> list:
    """The words of a command, with its program's path counted from here."""
    words = shlex.split(command)
    if not words:
        sys.exit("sdks: --cmd is empty; it is the command that starts the server")
    if "/" in words[0]:
        words[0] = str(Path(words[0]).absolute())
    return words


def free_port() -> int:
    for port in random.sample(PORTS, len(PORTS)):
        if port in _taken:
            continue
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        _taken.add(port)
        return port
    raise AssertionError(f"no port of {PORTS.start} to {PORTS.stop} is free")


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Process:
    """A child with a log file."""

    def __init__(self, name, command, env, log):
        self.name, self.command, self.log = name, command, log
        self.env = {**os.environ, **env}
        self.popen = None

    @property
    def running(self):
        return self.popen is not None and self.popen.poll() is None

    def spawn(self):
        with open(self.log, "ab") as out:
            try:
                self.popen = subprocess.Popen(
                    self.command, env=self.env, stdin=subprocess.DEVNULL, stdout=out,
                    stderr=subprocess.STDOUT, start_new_session=True,
                    preexec_fn=_die_with_parent if sys.platform == "linux" else None)
            except OSError as e:
                raise AssertionError(f"{self.name}: {self.command[0]} does not start: {e}") from None
        _alive.add(self)

    def kill9(self):
        if self in _alive:
            try:
                os.killpg(self.popen.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has ended, and was waited for when somebody asked whether it runs
            self.popen.wait(10)
            _alive.discard(self)

    def wait_until_ready(self, is_ready):
        def ready_or_dead():
            if not self.running:
                raise AssertionError(
                    f"{self.name} ended with {self.popen.returncode}:\n{self.tail()}")
            return is_ready()
        try:
            eventually(ready_or_dead, f"{self.name} is ready", START_LIMIT)
        except TimeoutError as e:
            raise AssertionError(f"{e}:\n{self.tail()}") from None
        return self

    def tail(self, lines=20):
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""


def kill_all():
    for process in list(_alive):
        process.kill9()


class Server(Process):
    """The server under test."""

    def __init__(self, kind, command, folder):
        ingress, admin, node = (f"127.0.0.1:{free_port()}" for _ in range(3))
        data_dir = folder / "data"
        data_dir.mkdir()
        super().__init__("the server", command, KINDS[kind](ingress, admin, node, str(data_dir)),
                         folder / "server.log")
        self.ingress, self.admin = Ingress(ingress), Admin(admin)
        self.services = set()

    def start(self):
        """Starts it and waits until it is healthy and lists the services that it knew."""
        self.spawn()
        return self.wait_until_ready(self.healthy)

    def healthy(self):
        listed = self.ingress.services()
        return listed is not None and listed >= self.services and self.admin.healthy()

    def restart(self):
        self.kill9()
        return self.start()


class Endpoint(Process):
    """A program with handlers."""

    def __init__(self, name, command, notes, folder):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__(f"the {name} endpoint", command,
                         {"PORT": str(self.port), "NOTES_DIR": str(notes)},
                         folder / "endpoint.log")

    def start(self):
        self.spawn()
        return self.wait_until_ready(self.listens)

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def restart(self):
        self.kill9()
        return self.start()
