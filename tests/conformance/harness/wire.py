"""The bytes of the service protocol: a small encoder and decoder, nothing checked.

Out: `message(type, field, field, ...)` gives one whole message; a field is made by
`num`, `text` or `nested`, so that a test can also write what no SDK would. In:
`split` cuts a byte stream into `Frame`s, `Frame.get` and `Frame.all` read fields by
their number. What the numbers mean is said by the named builders below, and only
as far as the tests need them. No protobuf library: it would refuse to lie.
"""
import json
import struct
from dataclasses import dataclass, field

START, SUSPENSION, ERROR, END, COMMAND_ACK, PROPOSE, AWAITING_ON, PROPOSE_ACK = range(8)
INPUT, OUTPUT, GET_STATE, SET_STATE, CLEAR_STATE, CLEAR_ALL, GET_KEYS = range(0x0400, 0x0407)
EAGER_STATE, EAGER_KEYS, GET_PROMISE, PEEK_PROMISE, COMPLETE_PROMISE, SLEEP = range(0x0407, 0x040D)
CALL, SEND = 0x040D, 0x040E
SIGNAL_TO, RUN, ATTACH, GET_OUTPUT, COMPLETE_AWAKEABLE = range(0x0410, 0x0415)
SIGNAL, CALL_ID = 0xFBFF, 0x800E

ACK = 0x8000
"""The flag with which a sender asks to be told when the message is durable."""

UNKNOWN, FIRST, ALL, FIRST_SUCCESS, ALL_SUCCESS = range(5)
"""How the children of a version 7 future are combined."""


def done_type(command: int) -> int:
    """The type of the completion of a command."""
    return command + 0x7C00


# -- encoding ------------------------------------------------------------------

def varint(n: int) -> bytes:
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def num(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def text(number: int, value: bytes | str) -> bytes:
    """A field of bytes, of text, or of an already encoded message."""
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def nested(number: int, *fields: bytes) -> bytes:
    return text(number, b"".join(fields))


def packed(number: int, values) -> bytes:
    return text(number, b"".join(map(varint, values))) if values else b""


def message(kind: int, *fields: bytes, flags: int = 0) -> bytes:
    body = b"".join(fields)
    return struct.pack(">HHI", kind, flags, len(body)) + body


def payload(value) -> bytes:
    """Bytes as they are, everything else as JSON."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def value(number: int, content) -> bytes:
    """A `Value`: present also when it is empty, and then without its field 1."""
    raw = payload(content)
    return nested(number, text(1, raw) if raw else b"")


def failure(number: int, code: int, why: str, **metadata: str) -> bytes:
    return nested(number, num(1, code), text(2, why),
                  *(nested(3, text(1, k), text(2, v)) for k, v in metadata.items()))


def header(number: int, key: str, content: str) -> bytes:
    return nested(number, text(1, key), text(2, content))


# -- messages of an SDK ----------------------------------------------------------

def end() -> bytes:
    return message(END)


def output(content) -> bytes:
    return message(OUTPUT, value(14, content))


def output_failure(code: int, why: str, **metadata: str) -> bytes:
    return message(OUTPUT, failure(15, code, why, **metadata))


def error(why: str, code: int = 500, delay: int | None = None, behavior: int = 0) -> bytes:
    return message(ERROR, num(1, code), text(2, why),
                   b"" if delay is None else num(8, delay), num(9, behavior) if behavior else b"")


def future(combine: int = FIRST, completions=(), signals=(), names=(), children=()) -> bytes:
    """The body of a version 7 future."""
    return b"".join([packed(1, completions), packed(2, signals), *(text(3, n) for n in names),
                     *(text(4, c) for c in children), num(5, combine) if combine else b""])


def suspension(version: int, completions=(), signals=(), names=()) -> bytes:
    """Wake on any of these, in the layout of the version."""
    if version >= 7:
        return message(SUSPENSION, text(4, future(FIRST, completions, signals, names)))
    return message(SUSPENSION, packed(1, completions), packed(2, signals), *(text(3, n) for n in names))


def suspension_on(body: bytes) -> bytes:
    """Version 7: wake when this future is done."""
    return message(SUSPENSION, text(4, body))


def run(completion: int, name: str = "", flags: int = 0) -> bytes:
    return message(RUN, num(11, completion), text(12, name) if name else b"", flags=flags)


def propose(completion: int, content: bytes, flags: int = 0) -> bytes:
    return message(PROPOSE, num(1, completion), text(14, content), flags=flags)


def sleep(completion: int, until_ms: int, flags: int = 0) -> bytes:
    return message(SLEEP, num(1, until_ms), num(11, completion), flags=flags)


def set_state(key: bytes | str, content) -> bytes:
    return message(SET_STATE, text(1, key), value(3, content))


def get_state(completion: int, key: bytes | str) -> bytes:
    return message(GET_STATE, text(1, key), num(11, completion))


def call(service: str, handler: str, parameter: bytes, id_completion: int, completion: int,
         key: str = "", idempotency_key: str | None = None, headers: dict | None = None) -> bytes:
    return message(CALL, text(1, service), text(2, handler), text(3, parameter),
                   *(header(4, k, v) for k, v in (headers or {}).items()),
                   text(5, key) if key else b"",
                   b"" if idempotency_key is None else text(6, idempotency_key),
                   num(10, id_completion), num(11, completion))


def send(service: str, handler: str, parameter: bytes, id_completion: int, key: str = "",
         idempotency_key: str | None = None, headers: dict | None = None, at_ms: int = 0) -> bytes:
    return message(SEND, text(1, service), text(2, handler), text(3, parameter),
                   num(4, at_ms) if at_ms else b"",
                   *(header(5, k, v) for k, v in (headers or {}).items()),
                   text(6, key) if key else b"",
                   b"" if idempotency_key is None else text(7, idempotency_key),
                   num(10, id_completion))


def get_promise(completion: int, key: str) -> bytes:
    return message(GET_PROMISE, text(1, key), num(11, completion))


def complete_promise(completion: int, key: str, content) -> bytes:
    return message(COMPLETE_PROMISE, text(1, key), value(2, content), num(11, completion))


# -- decoding ------------------------------------------------------------------

def _varint(raw: bytes, at: int) -> tuple[int, int]:
    n = shift = 0
    while True:
        byte = raw[at]
        at += 1
        n |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return n, at


def fields(raw: bytes) -> dict[int, list]:
    """Field number → values in order; numbers as int, everything else as bytes."""
    got: dict[int, list] = {}
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        if tag & 7 == 0:
            item, at = _varint(raw, at)
        elif tag & 7 == 2:
            size, at = _varint(raw, at)
            item, at = raw[at:at + size], at + size
        else:
            size = {1: 8, 5: 4}[tag & 7]
            item, at = raw[at:at + size], at + size
        got.setdefault(tag >> 3, []).append(item)
    return got


@dataclass
class Frame:
    kind: int
    flags: int
    body: bytes
    at: float = 0.0
    """When its last byte arrived, on the clock `time.monotonic`."""
    fields: dict[int, list] = field(default_factory=dict, repr=False)

    def __post_init__(self):
        self.fields = fields(self.body)

    def get(self, *path: int):
        """The field at this path of numbers, or None if one of them is absent."""
        here = self.fields
        for i, number in enumerate(path):
            if number not in here:
                return None
            found = here[number][-1]
            if i + 1 < len(path):
                here = fields(found)
        return found

    def all(self, number: int) -> list:
        return self.fields.get(number, [])

    @property
    def is_notification(self) -> bool:
        return 0x8000 <= self.kind <= 0xFBFF

    @property
    def identity(self):
        """What a notification answers: a completion id, or ("signal", index or name)."""
        for number in (2, 3):
            if number in self.fields:
                return "signal", self.get(number)
        return self.get(1)

    def __str__(self):
        return f"{self.kind:#06x} {self.body[:80].hex()}"


def split(raw: bytearray, at: float) -> list[Frame]:
    """Take all whole messages off the front of `raw`."""
    got = []
    while len(raw) >= 8:
        kind, flags, size = struct.unpack(">HHI", raw[:8])
        if len(raw) < 8 + size:
            break
        got.append(Frame(kind, flags, bytes(raw[8:8 + size]), at))
        del raw[:8 + size]
    return got
