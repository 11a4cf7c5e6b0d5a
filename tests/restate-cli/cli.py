"""The Restate CLI as a user runs it, and what it answers.

    Cli(binary, addresses, folder)("invocations", "list") ──▶ Answer: .code .out .err
                                                               .says(...)  asserts on its lines

It has a home of its own and no terminal; nothing that it knows is of this machine's user.
"""
import os
import pty
import re
import select
import subprocess
import termios
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
#: seconds that a command may take
LIMIT = 60
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def squeezed(text):
    """The lines without colours, and with one blank for many: tables are padded by what is in them."""
    lines = (" ".join(line.split()) for line in _COLOURS.sub("", text).splitlines())
    return [line for line in lines if line]


class Answer:
    """What a command printed, and how it ended."""

    def __init__(self, words, code, out, err):
        self.words, self.code, self.out, self.err = words, code, out, err
        self.lines = squeezed(out)

    def __str__(self):
        return f"`restate {' '.join(self.words)}` ended with {self.code}\n{self.out}{self.err}"

    @property
    def ok(self):
        assert self.code == 0, f"expected success: {self}"
        return self

    def fails(self, *texts):
        """It ended with 1, and said so on stderr with these words."""
        assert self.code == 1, f"expected a failure: {self}"
        said = " ".join(squeezed(self.err))
        for text in texts:
            assert text in said, f"'{text}' is not in its error: {self}"
        return self

    def says(self, *texts):
        """Each of them is a line of stdout, or a part of one."""
        for text in texts:
            assert any(text in line for line in self.lines), f"no line with '{text}': {self}"
        return self

    def warns(self, *texts):
        """Each of them is on stderr."""
        said = " ".join(squeezed(self.err))
        for text in texts:
            assert text in said, f"'{text}' is not on stderr: {self}"
        return self

    def lacks(self, *texts):
        for text in texts:
            assert not any(text in line for line in self.lines), f"a line has '{text}': {self}"
        return self

    def in_order(self, *texts):
        """Lines with these texts, one after the other."""
        rest = iter(self.lines)
        for text in texts:
            assert any(text in line for line in rest), \
                f"no line with '{text}' after those before it: {self}"
        return self

    def section(self, begin, end=None):
        """The same answer, with the lines from the one with `begin` up to the one with `end`."""
        at = next((i for i, line in enumerate(self.lines) if begin in line), None)
        assert at is not None, f"no line with '{begin}': {self}"
        stop = next((i for i, line in enumerate(self.lines) if end and i > at and end in line), None)
        part = Answer(self.words, self.code, self.out, self.err)
        part.lines = self.lines[at:stop]
        return part


class Cli:
    """Runs commands, and remembers which."""

    def __init__(self, binary, admin, ingress, folder):
        self.binary, self.folder = binary, folder
        self.home = folder / "home"
        self.config = folder / "config"
        self.home.mkdir()
        self.config.mkdir()
        self.used = set()
        self.env = {
            "PATH": os.environ["PATH"], "HOME": str(self.home), "SHELL": "/bin/bash",
            "TMPDIR": str(folder), "RESTATE_CLI_CONFIG_HOME": str(self.config),
            "RESTATE_ADMIN_URL": admin, "RESTATE_INGRESS_URL": ingress,
            "NO_COLOR": "1", "DO_NOT_TRACK": "1",
        }

    def start(self, *words, **env):
        self.used.add(tuple(word for word in words if word != "--yes"))
        return subprocess.Popen(
            [self.binary, *words], env={**self.env, **env}, cwd=self.folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def watch(self, *words):
        """The same on a terminal, for a command that does not end by itself."""
        self.used.add(tuple(words))
        return Watched([self.binary, *words, "-w", "-n", "0.1"], {**self.env, "TERM": "xterm"})

    def __call__(self, *words, **env):
        """Runs it with these words, to its end."""
        child = self.start(*words, **env)
        try:
            out, err = child.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            raise AssertionError(f"`restate {' '.join(words)}`: no end within {LIMIT} s\n"
                                 f"{out.decode()}{err.decode()}") from None
        return Answer(words, child.returncode, out.decode(), err.decode())

    def yes(self, *words, **env):
        """The same, and its questions are answered with yes."""
        return self("--yes", *words, **env)

    def edited(self, text, *words):
        """The same with an editor that writes `text` (None: leaves it); what the editor was
        shown, and the answer."""
        saw, writes = self.folder / "editor-saw", self.folder / "editor-writes"
        saw.unlink(missing_ok=True)
        env = {"EDITOR": str(HERE / "editor"), "VISUAL": str(HERE / "editor"),
               "EDITOR_SAW": str(saw)}
        if text is not None:
            writes.write_text(text)
            env["EDITOR_WRITES"] = str(writes)
        answer = self.yes(*words, **env)
        assert saw.exists(), f"it opened no editor: {answer}"
        return saw.read_text(), answer

    def commands(self):
        """The paths of all its commands that have none below them, from its own help."""
        def below(path):
            child = subprocess.run([self.binary, *path, "--help"], env=self.env, timeout=LIMIT,
                                   stdin=subprocess.DEVNULL, capture_output=True, text=True)
            listed = re.search(r"^Commands:\n(.*?)(?:\n\n|\Z)", child.stdout, re.S | re.M)
            names = re.findall(r"^  ([a-z][a-z-]*)", listed[1], re.M) if listed else []
            if not names:
                yield path
            for name in names:
                if name != "help":
                    yield from below((*path, name))
        return sorted(below(()))

    def never_run(self, left_out):
        """The commands that no check has run, and that are not left out by their first word."""
        return [" ".join(path) for path in self.commands()
                if path[0] not in left_out
                and not any(words[:len(path)] == path for words in self.used)]


class Watched:
    """A command that draws a screen again and again, on a terminal of its own."""

    def __init__(self, command, env):
        self.command, self.seen = command, ""
        self.screen, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (60, 200))
        self.child = subprocess.Popen(command, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()
        os.close(self.screen)

    def shows(self, text, limit=20):
        """It draws this text; what was drawn before the last text that was asked for is over."""
        end = time.monotonic() + limit
        while text not in self.seen:
            assert time.monotonic() < end, \
                f"`{' '.join(self.command)}`: no '{text}' within {limit} s in\n{self.seen[-2000:]}"
            if select.select([self.screen], [], [], 0.1)[0]:
                try:
                    drawn = os.read(self.screen, 65536).decode(errors="replace")
                except OSError:
                    raise AssertionError(f"`{' '.join(self.command)}` ended:\n{self.seen}") from None
                if "\x1b[6n" in drawn:  # it asks the terminal where the cursor is
                    os.write(self.screen, b"\x1b[1;1R")
                self.seen += _COLOURS.sub("", drawn)
        self.seen = ""


def installed(cache):
    """The binary, installed from npm into the cache if it is not there."""
    wanted = (HERE / "package.json").read_text()
    stamp = cache / "package.json"
    if not (stamp.exists() and stamp.read_text() == wanted and binary_in(cache)):
        cache.mkdir(parents=True, exist_ok=True)
        print("restate-cli: installing the CLI into the cache folder", flush=True)
        stamp.write_text(wanted)
        # without the scripts of packages, one of which reports installations to a third party
        done = subprocess.run(
            ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock",
             "--loglevel=error"], cwd=cache, capture_output=True, text=True)
        if done.returncode or not binary_in(cache):
            stamp.unlink()
            raise SystemExit(f"restate-cli: npm could not install {wanted.strip()}\n{done.stderr}")
    return str(binary_in(cache))


def binary_in(cache):
    return next(cache.glob("node_modules/@restatedev/restate-*/bin/restate"), None)
