"""How the examples of each language are installed and started."""
import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from harness import procs

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
NODE = os.environ.get("NODE", "node")
PYTHON = os.environ.get("PYTHON", "python3")


class InstallFailed(Exception):
    pass


class TypeScript:
    name = "typescript"
    folder = EXAMPLES / "typescript"

    def missing(self):
        if not (shutil.which(NODE) and shutil.which("npm")):
            return "Node 20 or newer with npm is needed, and is not here (see NODE)"
        return None

    def install(self, cache):
        """The packages, and the programs beside them: Node looks for packages from there."""
        room = cache / self.name
        room.mkdir(parents=True, exist_ok=True)
        with _locked(cache):
            for source in self.folder.iterdir():
                if source.is_file():
                    shutil.copy(source, room)
            if not _is_fresh(room, self.folder / "package.json"):
                _run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock",
                      "--loglevel=error"], room)
                _is_done(room, self.folder / "package.json")
        _run([NODE, "node_modules/typescript/bin/tsc", "--noEmit"], room)

    def command(self, program, cache):
        # What the SDK needs of Node 22, for Node 20.
        compat = Path(__file__).resolve().parent.parent / "conformance/services/ts/compat.mjs"
        room = cache / self.name
        tsx = room / "node_modules/tsx/dist/esm/index.mjs"
        return [NODE, "--import", compat.as_uri(), "--import", tsx.as_uri(),
                str(room / f"{program}.ts")]


class Python:
    name = "python"
    folder = EXAMPLES / "python"

    def missing(self):
        if not shutil.which(PYTHON):
            return "Python 3.11 or newer is needed, and is not here (see PYTHON)"
        return None

    def install(self, cache):
        room = cache / self.name
        room.mkdir(parents=True, exist_ok=True)
        with _locked(cache):
            if not _is_fresh(room, self.folder / "requirements.txt"):
                _run([PYTHON, "-m", "venv", str(room / "venv")], room)
                _run([str(room / "venv/bin/python"), "-m", "pip", "install", "-q",
                      "--disable-pip-version-check", "-r",
                      str(self.folder / "requirements.txt")], room)
                _is_done(room, self.folder / "requirements.txt")

    def command(self, program, cache):
        name = program.replace("-", "_")
        return [str(cache / self.name / "venv/bin/python"), "-B", str(self.folder / f"{name}.py")]


ALL = [TypeScript(), Python()]


class Program(procs.Process):
    """One example, serving its handlers."""

    def __init__(self, language, program, cache, folder, server):
        self.language, self.program, self.cache = language, program, cache
        self.server, self.ingress = server, server.ingress
        self.port = procs.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__(f"{language.name} {program}", language.command(program, cache),
                         {"PORT": str(self.port)}, folder / f"{program}.log")

    def start(self):
        self.spawn()
        return self.wait_until_ready(lambda: procs.Endpoint.listens(self))

    def lines(self):
        """What it has printed so far."""
        return self.log.read_text(errors="replace").splitlines()

    def ask(self, *arguments):
        """Runs the program's own client; gives what it prints."""
        env = {**os.environ, "INGRESS": f"http://{self.ingress.address}", "WAIT_SECONDS": "1"}
        done = subprocess.run([*self.command, *arguments], env=env, capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def _run(command, room):
    done = subprocess.run(command, cwd=room, capture_output=True, text=True)
    if done.returncode != 0:
        raise InstallFailed(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")


def _locked(cache):
    lock = open(cache / "lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _is_fresh(room, wanted):
    stamp = room / "stamp"
    return stamp.exists() and stamp.read_text() == wanted.read_text()


def _is_done(room, wanted):
    (room / "stamp").write_text(wanted.read_text())
