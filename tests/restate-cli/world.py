"""A server, handlers, the CLI, and quick ways to bring invocations into a state.

    World ──▶ server (latchwork or the reference) ◀── endpoint: handlers.mjs, one for each version
          └─▶ cli, pointed at them

Checks share it: each makes keys, tags and invocations of its own.
"""
import os
import shutil
import tempfile
from pathlib import Path

from harness import procs
from harness.probe import Probe, eventually

from cli import HERE, Cli


class World:
    def __init__(self, kind, binary):
        self.kind = kind
        self.folder = Path(tempfile.mkdtemp(prefix="restate-cli-"))
        (self.folder / "probe").mkdir()
        self.probe = Probe(self.folder / "probe")
        procs.copy_services(procs.ROOT / "services/ts")
        self.handlers = procs.service_dir() / f"restate-cli-{os.getpid()}.mjs"
        shutil.copyfile(HERE / "handlers.mjs", self.handlers)
        self.server = procs.Server(self.folder, name=kind)
        self.server.start()
        self.admin, self.ingress = self.server.admin, self.server.ingress
        self.cli = Cli(binary, self.admin.base, self.ingress.base, self.folder)
        self.endpoints = []

    @property
    def ours(self):
        return self.kind == "latchwork"

    def close(self, keep):
        for process in (*self.endpoints, self.server):
            process.kill9()
        self.handlers.unlink(missing_ok=True)
        if keep:
            print(f"logs and data are kept in {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    # -- deployments -------------------------------------------------------------------
    def endpoint(self, version="v1", mode="bidi"):
        """A running endpoint that no server knows yet."""
        endpoint = procs.ts_endpoint(self.folder, self.folder / "probe", mode=mode, version=version,
                                     name=f"{version}-{len(self.endpoints)}",
                                     extra_env={"EXTRA": str(self.handlers)})
        self.endpoints.append(endpoint)
        return endpoint.start()

    def back_to_v1(self):
        """Whatever was registered: the services are those of version v1 again, on a deployment
        of its own; its id. All others are gone."""
        for known in self.admin.get("/deployments").json()["deployments"]:
            self.admin.request("DELETE", f"/deployments/{known['id']}", params={"force": "true"})
        return self.admin.register(self.endpoint())["id"]

    def deployment_of(self, service):
        return self.service(service)["deployment_id"]

    def service(self, name):
        reply = self.admin.get(f"/services/{name}")
        assert reply.status_code == 200, reply.text
        return reply.json()

    # -- invocations -------------------------------------------------------------------
    def status(self, invocation):
        return self.admin.status(invocation)

    def wait_for(self, invocation, status):
        eventually(lambda: self.status(invocation) == status,
                   what=f"{invocation} is {status}, not {self.status(invocation)}")
        return invocation

    def is_over(self, invocation):
        """It has an outcome, or is forgotten, as one that had not begun may be."""
        eventually(lambda: self.status(invocation) in (None, "completed"),
                   what=f"{invocation} is over, not {self.status(invocation)}")

    def send(self, *args, **kwargs):
        return self.ingress.send_id(*args, **kwargs)

    def done(self, *args, **kwargs):
        """An invocation that is over."""
        invocation = self.send(*args, **kwargs)
        self.ingress.attach_raw(invocation)
        return invocation

    def running(self, service="Greeter", key=None):
        """One that runs until its tag's gate is opened; it and the tag."""
        tag = self.probe.tag("hold")
        invocation = self.send(service, "hold", tag, key)
        self.probe.wait(tag)
        return self.wait_for(invocation, "running"), tag

    def suspended(self, key):
        """One of Cart that has suspended on an awakeable; it and the awakeable."""
        tag = self.probe.tag("wait")
        invocation = self.send("Cart", "wait", tag, key)
        awakeable = self.probe.wait(tag)[0]
        return self.wait_for(invocation, "suspended"), awakeable

    def backing_off(self):
        return self.wait_for(self.send("Order", "charge", self.probe.tag()), "backing-off")

    def paused(self, handler="work"):
        return self.wait_for(self.send("Stubborn", handler, self.probe.tag()), "paused")

    def scheduled(self):
        return self.wait_for(self.send("Greeter", "greet", "later", delay="1h"), "scheduled")

    def clear_away(self):
        """Ends what a check has left in flight, and forgets all state."""
        def over():
            left = self.admin.query("SELECT id FROM sys_invocation WHERE status != 'completed'")
            for row in left:
                self.admin.inv("kill", row["id"])
            return not left
        eventually(over, what="nothing is in flight")
        for row in self.admin.query("SELECT DISTINCT service_name, service_key FROM state"):
            self.admin.post(f"/services/{row['service_name']}/state",
                            json={"object_key": row["service_key"], "new_state": {}})
        eventually(lambda: not self.admin.query("SELECT key FROM state"), what="no state is left")

    # -- state -------------------------------------------------------------------------
    def items(self, key):
        return self.ingress.call("Cart", "items", key=key)
