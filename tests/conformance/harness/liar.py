"""An endpoint that says what a test tells it to, down to single frames of HTTP/2.

    server ──GET /discover──▶ Liar ──▶ the manifest of its Services
    server ──POST /invoke/…─▶ Attempt ──▶ its script: a function of the test, in a thread
                                 │           attempt.replay() / take() / expect()   read
                                 │           attempt.send() / done() / reset()      write
                                 └── records every frame, how the request ended, and when

A `Script` is a function of one `Attempt`. A handler is given a list of them, one for
each attempt of an invocation; the last one serves all further attempts. Start at
`Liar.play`.

Reading is lazy, as an SDK's is: the request's flow-control window opens only while the
script waits for something. Waits are bounded by `LIMIT`; a script that fails is kept in
`Liar.problems`, which the fixture `liars` raises at the end of the test, and ends its
invocation with a terminal failure, so that nobody waits for the rest.

Two transports: HTTP/2 with prior knowledge (`_Http2`), and just enough HTTP/1.1
(`_Http1`). No SDK, no TLS.
"""
import functools
import itertools
import json
import os
import socket
import threading
import time
import uuid
from typing import Callable

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
import hyperframe.frame

from . import wire
from .clients import NOTHING
from .probe import eventually
from .procs import Server, free_port

LIMIT = 10.0
"""Seconds that any wait of a script may take."""

#: retry quickly and rather often; a test that wants another policy overrides this
POLICY = {"retryPolicyInitialInterval": 20, "retryPolicyMaxInterval": 60,
          "retryPolicyExponentiationFactor": 1.0, "retryPolicyMaxAttempts": 50}

NO_ERROR, CANCEL = 0, 8


_serial = itertools.count()


@functools.cache
def _port() -> int:
    return free_port()


def _address() -> tuple[str, int]:
    """Another loopback address for each, with one port of this process: every test has a few
    liars, and a port that has been used is not free again for a minute."""
    n = next(_serial)
    return f"127.{1 + os.getpid() % 250}.{n // 250 % 256}.{1 + n % 250}", _port()


class Gone(Exception):
    """The other side took the attempt away; not a mistake of the script."""


class Attempt:
    """One request of the server, as a script sees it."""

    def __init__(self, liar: "Liar", transport, path: str, headers: dict[str, str]):
        self.liar, self._transport, self.path, self.headers = liar, transport, path, headers
        self.began = time.monotonic()
        self.frames: list[wire.Frame] = []
        self.closed: str | None = None
        """How the request ended: "empty data", "data", "trailers", "reset N", "lost"."""
        self.closed_at = 0.0
        self.torn = False
        """Whether the server has reset the stream, also after the end of the request."""
        self.start: wire.Frame | None = None
        self.journal: list[wire.Frame] = []
        self.number = 0
        self.finished = threading.Event()
        self.answered = False
        self._raw = bytearray()
        self._next = 0
        self.change = threading.Condition()
        self.reading = False
        self.unread = 0

    # -- called by the transport ---------------------------------------------------
    def arrived(self, data: bytes) -> int:
        """Take data in; returns by how much the window may open again at once."""
        with self.change:
            self._raw += data
            self.frames += wire.split(self._raw, time.monotonic())
            self.change.notify_all()
            if self.reading:
                return len(data)
            self.unread += len(data)
            return 0

    def ended(self, how: str):
        with self.change:
            self.torn = self.torn or how.startswith(("reset", "lost"))
            if self.closed is None:
                self.closed, self.closed_at = how, time.monotonic()
            self.change.notify_all()

    # -- reading -------------------------------------------------------------------
    @property
    def id(self) -> str:
        return self.headers.get("x-restate-invocation-id", "")

    @property
    def version(self) -> int:
        return int(self.headers["content-type"].rpartition(".v")[2])

    @property
    def broken(self) -> bool:
        return self.closed is not None and self.closed.startswith(("reset", "lost"))

    def _until(self, check, what: str, limit: float = LIMIT):
        with self.change:
            self.reading, credit, self.unread = True, self.unread, 0
        if credit:
            self._transport.credit(credit)
        try:
            with self.change:
                if not self.change.wait_for(check, limit):
                    raise AssertionError(f"attempt {self.number}: {what} within {limit} s; got "
                                         f"{[str(f) for f in self.frames[-5:]]}, request {self.closed or 'open'}")
        finally:
            with self.change:
                self.reading = False

    def take(self) -> wire.Frame | None:
        """The next message; None when the request has ended instead."""
        self._until(lambda: len(self.frames) > self._next or self.closed is not None, "a message")
        if len(self.frames) > self._next:
            self._next += 1
            return self.frames[self._next - 1]
        if self.broken:
            raise Gone(self.closed)
        return None

    def expect(self, kind: int) -> wire.Frame:
        """The next message, which must be of this type."""
        got = self.take()
        assert got is not None and got.kind == kind, \
            f"attempt {self.number}: wanted {kind:#06x}, got {got or 'the end of the request'}"
        return got

    def replay(self) -> list[wire.Frame]:
        """Read Start and the journal that it announces; returns the journal."""
        self.start = self.expect(wire.START)
        for _ in range(self.start.get(3) or 0):
            got = self.take()
            assert got is not None, f"attempt {self.number}: the request ended within the replay"
            self.journal.append(got)
        return self.journal

    def notifications(self, n: int) -> list[wire.Frame]:
        """The next n messages, which must all be notifications."""
        got = [self.take() for _ in range(n)]
        assert all(f is not None and f.is_notification for f in got), [str(f) for f in got]
        return got

    def wait_closed(self, limit: float = LIMIT) -> str:
        """Wait until the request has ended; returns how."""
        self._until(lambda: self.closed is not None, "the end of the request", limit)
        return self.closed

    def wait_reset(self, limit: float = LIMIT, must: bool = True):
        """Read nothing more, and wait until the server breaks the stream or the connection off."""
        with self.change:
            torn = self.change.wait_for(lambda: self.torn, limit)
        assert torn or not must, f"attempt {self.number}: still not broken off after {limit} s"

    def kinds(self) -> list[int]:
        """Types of the replayed journal."""
        return [f.kind for f in self.journal]

    # -- writing -------------------------------------------------------------------
    def answer(self, status: int = 200, content_type: str | None = "", **headers: str):
        """Send response headers; by default what an SDK says. None: no content type."""
        if content_type == "":
            content_type = self.headers.get("content-type", "")
        given = {"x-restate-server": "liar/1", **{k.replace("_", "-"): v for k, v in headers.items()}}
        if content_type is not None:
            given["content-type"] = content_type
        self.answered = True
        self._transport.head(status, given)

    def send(self, *messages: bytes):
        """Write bytes, whole messages or not, in one go."""
        if not self.answered:
            self.answer()
        self._transport.data(b"".join(messages))

    def inform(self, status: int, **headers: str):
        """HTTP/2: send an informational response (1xx); the real one comes later."""
        self._transport.head(status, headers)

    def end(self, **trailers: str):
        """End the response, over HTTP/2 perhaps with trailers."""
        if not self.answered:
            self.answer()
        self._transport.finish({k.replace("_", "-"): v for k, v in trailers.items()})

    def done(self, *messages: bytes):
        """What an SDK does last: say it, wait for the end of the request, end the response."""
        self.send(*messages)
        self.wait_closed()
        if self.broken:
            raise Gone(self.closed)
        self.end()

    def reset(self, code: int = CANCEL):
        """Reset the stream, or, over HTTP/1.1, drop the connection."""
        self._transport.reset(code)

    def go_away(self):
        """HTTP/2: announce that this connection takes no more streams; this one goes on."""
        self._transport.go_away()

    def hang_up(self):
        """Close the whole connection."""
        self._transport.hang_up()

    def send_headers(self, headers: dict[str, str]):
        """Write response headers as they are given, whatever HTTP/2 says of them."""
        self.answered = True
        self._transport.raw_headers(headers)

    def send_on_connection(self, raw: bytes):
        """Write bytes on the bare connection, past all framing."""
        self._transport.unframed(raw)

    def send_after_reset(self, *messages: bytes):
        """Write on a stream that is closed already, past all that HTTP/2 allows."""
        self._transport.raw_data(b"".join(messages))


Script = Callable[[Attempt], None]


def honest(a: Attempt):
    """Read everything, answer "honest"."""
    a.replay()
    a.done(wire.output("honest"), wire.end())


class Service:
    """One service of the manifest and the scripts of its handlers."""

    def __init__(self, ty: str, name: str, options: dict):
        self.name, self.ty, self.options = name, ty, options
        self.handlers: dict[str, tuple[list[Script], dict]] = {}

    def handler(self, name: str, *scripts: Script, **options) -> "Service":
        """Add a handler: a script for each attempt. Options are fields of the manifest."""
        self.handlers[name] = (list(scripts), options)
        return self

    def manifest(self) -> dict:
        made = []
        for name, (_, options) in self.handlers.items():
            ty = {"SERVICE": {}, "VIRTUAL_OBJECT": {"ty": "EXCLUSIVE"}, "WORKFLOW": {"ty": "WORKFLOW"}}[self.ty]
            made.append({"name": name, **ty, **options})
        return {"name": self.name, "ty": self.ty, "handlers": made, **self.options}


class Invocation:
    """One invocation whose attempts a Liar plays."""

    def __init__(self, liar: "Liar", server: Server, id: str, service: str):
        self.liar, self.server, self.id, self.service = liar, server, id, service

    @property
    def attempts(self) -> list[Attempt]:
        return list(self.liar.attempts.get(self.id, []))

    def attempt(self, number: int) -> Attempt:
        """Wait until attempt `number` (1, 2, …) has come."""
        return eventually(lambda: len(self.attempts) >= number and self.attempts[number - 1],
                          LIMIT, 0.005, f"attempt {number} of {self.id}, {self.liar.told(self.id)}")

    def finished(self, number: int) -> Attempt:
        """Wait until the script of attempt `number` has run to its end."""
        a = self.attempt(number)
        assert a.finished.wait(LIMIT), f"the script of attempt {number} does not end"
        return a

    def raw(self):
        """Wait for the outcome; the ingress' answer as it is."""
        try:
            return self.server.ingress.attach_raw(self.id, timeout=LIMIT * 1.5)
        except Exception as e:
            raise AssertionError(f"no outcome of {self.id}: {e!r}; {self.liar.told(self.id)}") from e

    def result(self):
        """Wait for the outcome, which must be a success."""
        r = self.raw()
        assert r.status_code == 200, f"{r.status_code} {r.text[:300]}; {self.liar.told(self.id)}"
        return r.json() if r.content else None

    def status(self) -> str | None:
        return self.server.admin.status(self.id)

    def wait_status(self, status: str):
        eventually(lambda: self.status() == status, LIMIT,
                   what=f"{self.id} is {status}; {self.liar.told(self.id)}")


class Liar:
    """A listening endpoint. One serves any number of servers."""

    def __init__(self, max_version: int = 6, min_version: int = 5, mode: str = "BIDI_STREAM",
                 http1: bool = False, base: str = "", streams: int = 100):
        self.http1, self.base, self.mode, self.streams = http1, base, mode, streams
        self.min_version, self.max_version = min_version, max_version
        self.services: dict[str, Service] = {}
        self.discovery_type = "application/vnd.restate.endpointmanifest.v4+json"
        self.manifest: Callable[[], bytes] = lambda: json.dumps(self.describe()).encode()
        self.discoveries: list[dict[str, str]] = []
        self.first_bytes: list[bytes] = []
        self.attempts: dict[str, list[Attempt]] = {}
        self.problems: list[BaseException] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        address, port = _address()
        self.url = f"http://{address}:{port}{base}"
        self._listener = socket.create_server((address, port))
        threading.Thread(target=self._accept, daemon=True).start()

    # -- what a test calls ------------------------------------------------------------
    def service(self, ty: str = "SERVICE", name: str | None = None, **options) -> Service:
        """Add a service, by default under a name that nobody else uses."""
        s = Service(ty, name or f"Liar{uuid.uuid4().hex[:8]}", {**POLICY, **options})
        self.services[s.name] = s
        return s

    def play(self, server: Server, *scripts: Script, ty: str = "SERVICE", handler: dict | None = None,
             arg=NOTHING, key: str | None = None, **options) -> Invocation:
        """Register a service with one handler that plays these scripts, and call it once."""
        s = self.service(ty, **options).handler("work", *scripts, **(handler or {}))
        server.register(self, force=True)
        if key is None and ty != "SERVICE":
            key = uuid.uuid4().hex[:8]
        return self.send(server, s, arg=arg, key=key)

    def send(self, server: Server, service: Service, handler: str = "work", arg=NOTHING,
             key: str | None = None, **kw) -> Invocation:
        inv = server.ingress.send_id(service.name, handler, arg, key, **kw)
        return Invocation(self, server, inv, service.name)

    def describe(self) -> dict:
        return {"protocolMode": self.mode, "minProtocolVersion": self.min_version,
                "maxProtocolVersion": self.max_version,
                "services": [s.manifest() for s in self.services.values()]}

    def told(self, id: str) -> str:
        """The attempts of an invocation in a few words, for messages of failed tests."""
        return "; ".join(
            f"attempt {a.number}: {[hex(f.kind) for f in a.frames[:8]]}, request {a.closed or 'open'}"
            for a in self.attempts.get(id, [])) or "no attempt came"

    def close(self):
        self._listener.close()
        for s in list(self._open):
            _drop(s)

    # -- connections --------------------------------------------------------------------
    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket):
        try:
            (_Http1 if self.http1 else _Http2)(self, sock).serve()
        except (OSError, Gone, h2.exceptions.ProtocolError):
            pass  # the server went away, or was killed by the test
        finally:
            self._open.discard(sock)
            _drop(sock)

    def discovery(self, headers: dict[str, str]) -> tuple[dict[str, str], bytes]:
        self.discoveries.append(headers)
        return {"content-type": self.discovery_type, "x-restate-server": "liar/1"}, self.manifest()

    def begin(self, a: Attempt):
        """Give an attempt its number and play its script in a thread."""
        with self._lock:
            mine = self.attempts.setdefault(a.id, [])
            mine.append(a)
            a.number = len(mine)
        threading.Thread(target=self._play, args=(a,), daemon=True).start()

    def _play(self, a: Attempt):
        try:
            service, handler = a.path.removeprefix(self.base + "/invoke/").split("/")
            scripts, _ = self.services[service].handlers[handler]
            scripts[min(a.number, len(scripts)) - 1](a)
        except Gone:
            pass
        except BaseException as e:  # noqa: BLE001 - raised in the test by the fixture
            self.problems.append(e)
            try:
                a.send(wire.output_failure(599, f"the script failed: {e}"), wire.end())
                a.wait_closed(1)
                a.end()
            except BaseException:  # noqa: BLE001 - the first problem is the one to show
                pass
        finally:
            a.finished.set()


def _drop(sock: socket.socket):
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    sock.close()


class _Http2:
    """One connection; the h2 machine is guarded by `self.free`."""

    def __init__(self, liar: Liar, sock: socket.socket):
        self.liar, self.sock = liar, sock
        self.machine = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        # before the connection begins: what is set later is in force later
        self.machine.local_settings = h2.settings.Settings(client=False, initial_values={
            h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: liar.streams})
        self.free = threading.Condition()
        self.streams: dict[int, _Stream] = {}

    def serve(self):
        data = self.sock.recv(65536)
        self.liar.first_bytes.append(data[:24])
        self.machine.initiate_connection()
        self.flush()
        try:
            while data:
                with self.free:
                    for event in self.machine.receive_data(data):
                        self.handle(event)
                    self.flush()
                    self.free.notify_all()
                data = self.sock.recv(65536)
        finally:
            with self.free:
                streams, self.streams = list(self.streams.values()), {}
                self.free.notify_all()
            for s in streams:
                if s.attempt:
                    s.attempt.ended("lost")

    def flush(self):
        data = self.machine.data_to_send()
        if data:
            self.sock.sendall(data)

    def handle(self, event):
        if isinstance(event, h2.events.RequestReceived):
            s = self.streams[event.stream_id] = _Stream(self, event.stream_id)
            headers = dict(event.headers)
            path = headers.pop(":path")
            if headers[":method"] == "GET" and path == self.liar.base + "/discover":
                given, body = self.liar.discovery(headers)
                self.machine.send_headers(s.id, [(":status", "200"), *given.items()])
                self.machine.send_data(s.id, body, end_stream=True)
            else:
                s.attempt = Attempt(self.liar, s, path, headers)
                self.liar.begin(s.attempt)
            return
        s = self.streams.get(getattr(event, "stream_id", 0) or 0)
        if s is None or s.attempt is None:
            return
        if isinstance(event, h2.events.DataReceived):
            s.empty = not event.data
            if event.flow_controlled_length:
                # the connection is shared: only the stream may be held back
                self.machine.increment_flow_control_window(event.flow_controlled_length)
            credit = s.attempt.arrived(event.data)
            padding = event.flow_controlled_length - len(event.data)
            s.open_window(credit + padding)
        elif isinstance(event, h2.events.TrailersReceived):
            s.trailers = True
        elif isinstance(event, h2.events.StreamEnded):
            s.attempt.ended("trailers" if s.trailers else "empty data" if s.empty else "data")
        elif isinstance(event, h2.events.StreamReset):
            s.attempt.ended(f"reset {int(event.error_code)}")


class _Stream:
    """The writing half of one HTTP/2 exchange."""

    def __init__(self, connection: _Http2, id: int):
        self.connection, self.id = connection, id
        self.attempt: Attempt | None = None
        self.empty = self.trailers = False

    def _locked(self, act):
        c = self.connection
        try:
            with c.free:
                act(c.machine)
                c.flush()
        except (OSError, h2.exceptions.ProtocolError) as e:
            raise Gone(str(e)) from e

    def open_window(self, n: int):
        if n > 0 and self.id in self.connection.streams:
            try:
                self.connection.machine.increment_flow_control_window(n, self.id)
            except (h2.exceptions.StreamClosedError, h2.exceptions.ProtocolError):
                pass  # it ended meanwhile

    def credit(self, n: int):
        self._locked(lambda _: self.open_window(n))

    def head(self, status: int, headers: dict[str, str]):
        self._locked(lambda m: m.send_headers(self.id, [(":status", str(status)), *headers.items()]))

    def data(self, data: bytes):
        c = self.connection
        sent, until = 0, time.monotonic() + LIMIT
        while sent < len(data):
            try:
                with c.free:
                    room = min(c.machine.local_flow_control_window(self.id), c.machine.max_outbound_frame_size)
                    if room <= 0:
                        assert time.monotonic() < until, f"the server reads nothing for {LIMIT} s"
                        c.free.wait(0.2)
                        if self.id not in c.streams:
                            raise Gone("the connection is lost")
                        continue
                    c.machine.send_data(self.id, data[sent:sent + room])
                    c.flush()
                    sent += room
            except (OSError, h2.exceptions.ProtocolError) as e:
                raise Gone(str(e)) from e

    def finish(self, trailers: dict[str, str]):
        if trailers:
            self._locked(lambda m: m.send_headers(self.id, list(trailers.items()), end_stream=True))
        else:
            self._locked(lambda m: m.end_stream(self.id))

    def reset(self, code: int):
        self._locked(lambda m: m.reset_stream(self.id, code))

    def go_away(self):
        self.unframed(hyperframe.frame.GoAwayFrame(0, self.id, NO_ERROR).serialize())

    def hang_up(self):
        _drop(self.connection.sock)

    def raw_data(self, data: bytes):
        self.unframed(hyperframe.frame.DataFrame(self.id, data).serialize())

    def raw_headers(self, headers: dict[str, str]):
        def act(machine: h2.connection.H2Connection):
            # the state of the stream as after real headers, the bytes from the given ones
            machine.send_headers(self.id, [(":status", "200")])
            machine.data_to_send()
            block = machine.encoder.encode(headers.items(), huffman=False)
            frames = [hyperframe.frame.HeadersFrame(self.id, block[:16384])]
            frames += [hyperframe.frame.ContinuationFrame(self.id, block[at:at + 16384])
                       for at in range(16384, len(block), 16384)]
            frames[-1].flags.add("END_HEADERS")
            self.connection.sock.sendall(b"".join(f.serialize() for f in frames))
        self._locked(act)

    def unframed(self, raw: bytes):
        try:
            with self.connection.free:
                self.connection.sock.sendall(raw)
        except OSError as e:
            raise Gone(str(e)) from e


class _Http1:
    """One connection over HTTP/1.1: one request at a time, bodies in chunks."""

    def __init__(self, liar: Liar, sock: socket.socket):
        self.liar, self.sock = liar, sock
        self.file = sock.makefile("rb")
        self.chunked = True

    def serve(self):
        while True:
            line = self.file.readline()
            if not line:
                return
            self.liar.first_bytes.append(line[:24])
            method, path, version = line.decode("latin-1").split()
            if method == "PRI":
                return  # HTTP/2 is not understood here
            headers = {}
            while (field := self.file.readline().strip()):
                k, _, v = field.decode("latin-1").partition(":")
                headers[k.lower()] = v.strip()
            if method == "GET" and path == self.liar.base + "/discover":
                given, body = self.liar.discovery(headers)
                self.write(200, {**given, "content-length": str(len(body))}, body)
                continue
            a = Attempt(self.liar, self, path, {**headers, ":version": version})
            self.liar.begin(a)
            try:
                for piece in self.body(headers):
                    a.arrived(piece)
                a.ended("data")
            finally:
                a.ended("lost")
            if not a.finished.wait(LIMIT * 2):
                return

    def body(self, headers):
        if headers.get("transfer-encoding", "").lower() != "chunked":
            left = int(headers.get("content-length", "0"))
            while left:
                piece = self.file.read1(min(left, 65536))
                if not piece:
                    raise OSError("cut off")
                left -= len(piece)
                yield piece
            return
        while True:
            size = int(self.file.readline().split(b";")[0] or b"0", 16)
            piece = self.file.read(size)
            if len(piece) < size or not self.file.readline():
                raise OSError("cut off")
            if not size:
                return
            yield piece

    def write(self, status: int, headers: dict[str, str], body: bytes = b""):
        head = [f"HTTP/1.1 {status} Said", *(f"{k}: {v}" for k, v in headers.items())]
        self._put("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    def _put(self, data: bytes):
        try:
            self.sock.sendall(data)
        except OSError as e:
            raise Gone(str(e)) from e

    def credit(self, _: int):
        pass  # the kernel's buffers are the window here

    def head(self, status: int, headers: dict[str, str]):
        self.write(status, {**headers, "transfer-encoding": "chunked"})

    def data(self, data: bytes):
        if data:
            self._put(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def finish(self, _: dict[str, str]):
        self._put(b"0\r\n\r\n")

    def reset(self, _: int):
        _drop(self.sock)

    def hang_up(self):
        _drop(self.sock)

    def unframed(self, raw: bytes):
        self._put(raw)
