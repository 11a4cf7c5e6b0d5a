"""A collector of spans: takes OTLP over HTTP as the published definitions of the protocol read it."""
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest, ExportTraceServiceResponse)

from .procs import free_port


class Span:
    """A span as it came, with its ids as hex."""

    def __init__(self, raw, resource: dict):
        self.raw, self.resource = raw, resource
        self.name, self.kind = raw.name, raw.kind
        self.trace, self.id = raw.trace_id.hex(), raw.span_id.hex()
        self.parent = raw.parent_span_id.hex() or None
        self.attributes = attributes(raw.attributes)
        self.events = {e.name: attributes(e.attributes) for e in raw.events}
        self.links = [(link.trace_id.hex(), link.span_id.hex()) for link in raw.links]
        self.failed = raw.status.code == 2

    def __repr__(self):
        return f"{self.name} {self.trace[:6]}/{self.id} below {self.parent} {self.attributes}"


def attributes(pairs) -> dict:
    return {p.key: getattr(p.value, p.value.WhichOneof("value")) for p in pairs}


class Collector:
    """Answers `status`, and keeps what came while that was 200."""

    def __init__(self):
        self.port = free_port()
        self.status = 200
        self.requests: list[dict] = []
        self._spans: list[Span] = []
        self._lock = threading.Lock()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.take(self.path, dict(self.headers), body)
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(collector.status)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def take(self, path: str, headers: dict, body: bytes):
        request = ExportTraceServiceRequest.FromString(body)
        with self._lock:
            self.requests.append({"path": path, "status": self.status,
                                  **{k.lower(): v for k, v in headers.items()}})
            if self.status != 200:
                return
            for group in request.resource_spans:
                resource = attributes(group.resource.attributes)
                for scope in group.scope_spans:
                    self._spans += [Span(s, resource) for s in scope.spans]

    @property
    def spans(self) -> list[Span]:
        with self._lock:
            return list(self._spans)

    def named(self, name: str, **wanted) -> list[Span]:
        """The spans of a name whose attributes, without their prefix, are these."""
        return [s for s in self.spans if s.name == name
                and all(s.attributes.get(f"latchwork.{k}") == v for k, v in wanted.items())]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
