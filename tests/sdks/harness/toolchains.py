"""Which toolchains are here, and how they make an endpoint of a program's sources.

In goes the folder of a program, out comes the command that starts it. What is built lies in
the cache folder (SDKS_CACHE), never in the clone.
"""
import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

#: seconds that a build may take, downloads included
BUILD_LIMIT = 900


class BuildFailed(Exception):
    """The text says which command failed, how its output ends, and where all of it is."""


def cache() -> Path:
    given = os.environ.get("SDKS_CACHE")
    if given:
        return Path(given).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "latchwork" / "sdks"


def first_output(*command) -> str:
    """What a command prints, or nothing where it does not run."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def run_build(name: str, command: list, cwd: Path, env: dict):
    """Runs a build, one at a time for each cache."""
    folder = cache()
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{name}-build.log"
    with open(folder / "lock", "w") as lock, open(log, "w") as out:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            ended = subprocess.run(command, cwd=cwd, env={**os.environ, **env}, stdout=out,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                   timeout=BUILD_LIMIT, check=False).returncode
        except subprocess.TimeoutExpired:
            ended = f"no end within {BUILD_LIMIT} s"
    if ended != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise BuildFailed(f"{' '.join(map(str, command))} ended with {ended} ({log}):\n{tail}")


class Go:
    name = "go"

    def missing(self):
        """Why Go cannot be used here, or None."""
        found = re.search(r"go(\d+)\.(\d+)", first_output("go", "version"))
        if not found:
            return "Go 1.25 or newer is needed, and is not here"
        if (int(found[1]), int(found[2])) < (1, 25):
            return f"Go 1.25 or newer is needed, and here is {found[0]}"
        return None

    def build(self, source: Path) -> list:
        program = cache() / "go-endpoint"
        # never a toolchain that is fetched on the way: missing() has looked at this one
        run_build(self.name, ["go", "build", "-o", str(program), "."], source,
                  {"GOTOOLCHAIN": "local"})
        return [str(program)]


class Java:
    name = "java"

    def java(self) -> str:
        """The Java that Maven would take."""
        home = os.environ.get("JAVA_HOME")
        return str(Path(home) / "bin" / "java") if home else "java"

    def missing(self):
        """Why Java cannot be used here, or None."""
        found = re.search(r'version "(\d+)', first_output(self.java(), "-version"))
        if not found:
            return "a JDK, 17 or newer, is needed, and is not here (see JAVA_HOME)"
        if int(found[1]) < 17:
            return f"a JDK, 17 or newer, is needed, and here is {found[1]} (see JAVA_HOME)"
        if not shutil.which("mvn"):
            return "Maven (mvn) is needed, and is not here"
        return None

    def build(self, source: Path) -> list:
        target = cache() / "java"
        run_build(self.name, ["mvn", "-B", "-q", "-ntp", "-f", str(source / "pom.xml"),
                              f"-Dbuild.folder={target}", "package"], source, {})
        classpath = os.pathsep.join([str(target / "classes"), str(target / "lib" / "*")])
        return [self.java(), "-cp", classpath, "sdks.Main"]


ALL = [Go(), Java()]
