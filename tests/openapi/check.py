"""Starts a server, registers a deployment, and lets schemathesis loose on each document."""
import argparse
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import endpoint

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# What a generated request must not do, or cannot be judged by its document: writing backups
# anywhere on this disk, dialling whatever address comes to mind, a stream without end.
LEFT_OUT = r"^/(backup|live|deployments$|deployments/\{id\}$)"
PATIENCE = 60


def free():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


def ask(url, body=None):
    headers = {"content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=10) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def until_there(url, server):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        try:
            return ask(url)
        except OSError:
            time.sleep(0.05)
    sys.exit("openapi: the server did not start")


def unleash(name, document, base, given, room):
    path = room / f"{name}.json"
    path.write_text(json.dumps(document))
    program = Path(sys.executable).with_name("schemathesis")
    arguments = [
        program, "run", path, "--url", base, "--checks", CHECKS, "--seed", str(given.seed),
        "--max-examples", str(given.examples), "--workers", "1", "--generation-deterministic",
        "--request-timeout", "20", "--suppress-health-check", "all", "--no-color",
        "--phases", "examples,coverage,fuzzing",
    ]
    if name == "admin":
        arguments += ["--exclude-path-regex", LEFT_OUT]
    print(f"openapi: {name}", flush=True)
    environment = {**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(room / "hypothesis")}
    return subprocess.run(arguments, cwd=room, env=environment).returncode == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cmd", required=True, help="starts the server")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--examples", type=int, default=30, help="requests made for each operation")
    given = parser.parse_args()
    command = shlex.split(given.cmd)
    command[0] = str(Path(command[0]).resolve()) if "/" in command[0] else command[0]
    room = Path(tempfile.mkdtemp(prefix="latchwork-openapi-"))
    admin, ingress = free(), free()
    with open(room / "server.log", "w") as log:
        server = subprocess.Popen(command, cwd=room, stdout=log, stderr=log, env={
            **os.environ, "LATCHWORK_ADMIN_ADDR": admin, "LATCHWORK_INGRESS_ADDR": ingress,
            "LATCHWORK_DATA_DIR": str(room / "data")})
    try:
        until_there(f"http://{admin}/health", server)
        ask(f"http://{admin}/deployments", {"uri": endpoint.serve(), "use_http_11": True})
        passed = []
        for service in ("Greeter", "Counter", "Flow"):
            document = ask(f"http://{admin}/services/{service}/openapi")
            passed.append(unleash(service, document, f"http://{ingress}", given, room))
        document = ask(f"http://{admin}/openapi")
        passed.append(unleash("admin", document, f"http://{admin}", given, room))
        lives = server.poll() is None
        if not lives:
            print("openapi: the server has ended")
    finally:
        server.terminate()
        server.wait(PATIENCE)
    failed = passed.count(False) + (not lives)
    print(f"openapi: {passed.count(True)} passed, {failed} failed, 0 skipped")
    if failed:
        print(f"openapi: kept: {room}")
        sys.exit(1)
    shutil.rmtree(room)


main()
