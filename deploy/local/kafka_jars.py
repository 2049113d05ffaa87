"""Apache Kafka itself, fetched once with Maven and kept."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

from deploy.local.errors import StackError

KAFKA_VERSION = "4.3.1"


def kafka_jars(cache: Path, say: Callable[[str], None]) -> Path:
    """The folder with Kafka's jars, fetched when it is not there yet (54 MB). Raises StackError when Maven fails."""
    folder = jars_folder(cache)
    if not folder.exists():
        say(f"fetching Kafka {KAFKA_VERSION} with Maven (54 MB, once)")
        _fetch(folder, say)
    return folder


def jars_folder(cache: Path) -> Path:
    """Where the jars of this version are kept."""
    return cache / f"kafka_2.13-{KAFKA_VERSION}"


def java() -> str:
    """The Java to run Kafka with: JAVA_HOME's, else the one on the path. Raises StackError without one."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin" if home else None)
    if found is None:
        raise StackError("Java 17 or later is needed to run Kafka.", "`lotse doctor` names the command that brings it.")
    return found


def _fetch(folder: Path, say: Callable[[str], None]) -> None:
    """Fetch into a draft folder and move it into place at the end, so that half a fetch is never taken for whole.

    One at a time: a second stack that starts meanwhile waits, because two Mavens would spoil each other's repository.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "fetching.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as draft:
            _run_maven(Path(draft), say)
            (Path(draft) / "jars").rename(folder)


def _run_maven(draft: Path, say: Callable[[str], None]) -> None:
    with as_file(files("deploy.local") / "kafka_pom.xml") as pom:
        shutil.copy(pom, draft / "pom.xml")
    command = ["mvn", "--batch-mode", "--strict-checksums", "dependency:copy-dependencies"]
    try:
        maven = subprocess.Popen(  # noqa: S603 - a fixed command
            [*command, f"-DoutputDirectory={draft / 'jars'}"],
            cwd=draft,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except FileNotFoundError as missing:
        raise StackError(
            "Maven is needed once, to fetch Kafka.", "`lotse doctor` names the command that brings it."
        ) from missing
    with maven:
        output = _follow(maven, say)
    if maven.returncode:
        raise StackError(f"Maven could not fetch Kafka: {_first_error(output)}", "Check the network and run it again.")


def _follow(maven: "subprocess.Popen[str]", say: Callable[[str], None]) -> list[str]:
    """Tell of every 25th downloaded file. Returns all that Maven said."""
    output, fetched = [], 0
    for line in maven.stdout or ():
        output.append(line.rstrip())
        if line.startswith("Downloaded") or " Downloaded from " in line:
            fetched += 1
            if fetched % 25 == 0:
                say(f"fetching Kafka {KAFKA_VERSION} with Maven: {fetched} files")
    return output


def _first_error(output: list[str]) -> str:
    return next((line for line in output if "ERROR" in line), "no reason given")
