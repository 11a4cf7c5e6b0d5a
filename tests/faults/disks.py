"""Disks that are full, and disks that cannot be written."""
import contextlib
import os
import shutil
import subprocess
import threading
from pathlib import Path

from world import Skipped, http, until

MIB = 1 << 20


def mount(place, *what):
    mounted = subprocess.run(["mount", *what, place], capture_output=True, text=True)
    if mounted.returncode:
        raise Skipped(f"a disk cannot be mounted here: {mounted.stderr.strip()}")


@contextlib.contextmanager
def disk(world, name, *what):
    """A small disk of our own."""
    place = world.folder / name
    place.mkdir()
    mount(place, *what)
    try:
        yield place
    finally:
        for server in world.servers:
            server.kill()
        # It is gone already if a check was broken off between two mounts.
        subprocess.run(["umount", place], stderr=subprocess.DEVNULL)


def memory(mib):
    return "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs"


def free(place):
    disk = os.statvfs(place)
    return disk.f_bavail * disk.f_frsize


def fill(place, left):
    """Something else takes all of the disk but `left` bytes."""
    with (place / "ballast").open("ab") as file:
        while (more := free(place) - left) > 0:
            try:
                os.write(file.fileno(), bytes(min(more, MIB)))
            except OSError:
                return


class Load:
    """Sends without a pause until it is told to stop, and remembers what was acknowledged."""

    def __init__(self, server, name):
        self.server, self.name = server, name
        self.accepted, self.refused = {}, []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.send, args=(n,)) for n in range(4)]

    def send(self, thread):
        number = 0
        while not self.over.is_set():
            name = f"{self.name}-{thread}-{number}"
            number += 1
            try:
                status, text = self.server.send(name, 200, ballast="x" * 20_000)
            except OSError:
                # The server is gone, and the answer with it.
                return
            if status == 202:
                self.accepted[name] = self.server.found(text)
            else:
                self.refused.append((status, text))
                self.over.wait(0.05)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


def a_disk_that_is_nearly_full_refuses_new_work_only_until_there_is_room(world):
    with disk(world, "nearly-full", *memory(320)) as place:
        server = world.serve(place / "data").ready()
        world.handlers.register(server)
        with Load(server, "nearly") as load:
            until("something is accepted", lambda: len(load.accepted) > 50)
            fill(place, 56 * MIB)
            until("new work is refused", lambda: len(load.refused) > 20)
            assert all(status == 507 and "LW0005" in text for status, text in load.refused), (
                load.refused[-1])
            until("health says so", lambda: server.health() == (503, ["disk_nearly_full"]))
            # What was accepted ends, and can be read; the admin API answers.
            accepted = dict(load.accepted)
            server.completed(accepted)
            assert len(server.sql("SELECT id FROM sys_invocation LIMIT 10")) == 10
            assert http("GET", f"http://{server.admin}/deployments")[0] == 200
            assert load.accepted == accepted, "something was accepted without room"
            (place / "ballast").unlink()
            until("work is taken again", lambda: len(load.accepted) > len(accepted) + 50)
        server.completed(load.accepted)
        assert server.ready().process.poll() is None


def a_disk_that_is_full_stops_the_server_and_loses_nothing(world):
    with disk(world, "full", *memory(96)) as place:
        # It does not see it coming.
        server = world.serve(place / "data", "--disk-bytes-min", "0").ready()
        world.handlers.register(server)
        with Load(server, "full") as load:
            until("something is accepted", lambda: len(load.accepted) > 50)
            fill(place, 0)
            said = server.refusal()
        assert "No space left on device" in said and str(place) in said, said
        # Neither is there room to start.
        again = world.serve(place / "data")
        if again.process.poll() is None:
            until("it says how it stands", lambda: again.process.poll() is not None
                  or "disk_nearly_full" in again.health()[1])
        assert "panicked" not in again.text(), again.text()
        again.kill()
        (place / "ballast").unlink()
        server = world.serve(place / "data", "--disk-bytes-min", "0").ready()
        server.completed(load.accepted)


def a_disk_that_becomes_read_only_stops_the_server_and_loses_nothing(world):
    image = world.folder / "disk.img"
    with image.open("wb") as file:
        file.truncate(96 * MIB)
    if shutil.which("mkfs.ext4") is None:
        raise Skipped("mkfs.ext4 is needed to make a disk")
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    what = ("-o", "loop,errors=remount-ro", image)
    with disk(world, "read-only", *what) as place:
        command = place / "data", "--disk-bytes-min", "0"
        server = world.serve(*command).ready()
        world.handlers.register(server)
        with Load(server, "read-only") as load:
            until("something is accepted", lambda: len(load.accepted) > 50)
            # As after damage that the file system has found: it is read-only at once.
            device = subprocess.run(["findmnt", "-no", "SOURCE", place], check=True, text=True,
                                    capture_output=True).stdout.strip().rpartition("/")[2]
            Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("1")
            said = server.refusal()
        # What is being written at that moment fails otherwise.
        assert "Read-only file system" in said or "Input/output error" in said, said
        assert str(place) in said, said
        said = world.serve(*command).refusal()
        assert "Read-only file system" in said and str(place) in said, said
        subprocess.run(["umount", place], check=True)
        subprocess.run(["e2fsck", "-fy", image], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        mount(place, *what)
        server = world.serve(*command).ready()
        server.completed(load.accepted)
