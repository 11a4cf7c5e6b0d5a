"""A deployment that answers every call at once with a JSON string. It speaks HTTP/1.1 and, of the
service protocol, just enough: an output and an end."""
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OUTPUT, END = 0x0401, 0x0003
SCHEMA = {"type": "string"}


def handler(name, **more):
    json_text = {"contentType": "application/json"}
    return {
        "name": name,
        "input": {"required": True, "jsonSchema": SCHEMA, **json_text},
        "output": {"setContentTypeIfEmpty": False, "jsonSchema": SCHEMA, **json_text},
        **more,
    }


MANIFEST = {
    "protocolMode": "REQUEST_RESPONSE", "minProtocolVersion": 5, "maxProtocolVersion": 5,
    "services": [
        {"name": "Greeter", "ty": "SERVICE", "handlers": [handler("greet")]},
        {"name": "Counter", "ty": "VIRTUAL_OBJECT",
         "handlers": [handler("add", ty="EXCLUSIVE"), handler("read", ty="SHARED")]},
        {"name": "Flow", "ty": "WORKFLOW",
         "handlers": [handler("run", ty="WORKFLOW"), handler("ask", ty="SHARED")]},
    ],
}


def frame(ty, body=b""):
    return ty.to_bytes(2, "big") + bytes(2) + len(body).to_bytes(4, "big") + body


def nested(number, body):
    return bytes([number << 3 | 2, len(body)]) + body


class Endpoint(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        content_type = "application/vnd.restate.endpointmanifest.v3+json"
        self.answer(content_type, json.dumps(MANIFEST).encode())

    def do_POST(self):
        if "chunked" in self.headers.get("transfer-encoding", ""):
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        else:
            self.rfile.read(int(self.headers.get("content-length", 0)))
        answer = nested(14, nested(1, b'"well"'))
        self.answer(self.headers["content-type"], frame(OUTPUT, answer) + frame(END))

    def answer(self, content_type, body):
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve():
    """Starts it; gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}"
