"""Building drivers and servers with what is here: Go, a JDK with Maven, the Python SDKs.

Rule: what cannot be built is named, and in CI (``CI`` is set) it is a failure. Everything built
goes to a folder of the environment, never into the source tree, and is kept until its sources
change.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
BUILD = Path(sys.prefix) / "interop"
GO_BIN = BUILD / "go"
JAVA_LIB = BUILD / "java-lib"
JAVA_KMS_LIB = BUILD / "java-kms-lib"
JAVA_CLASSES = BUILD / "java-classes"

BODIES = ["botocore", "httpx", "paramiko", "starlette"]
"""Libraries whose objects are handed over as bodies."""
VERSITYGW = "1.8.0"
"""A server of S3, which Go installs by its own registry."""
TOOLS = ["aws", "rclone"]
"""Other programs that read and write S3, which pip installs."""
_BUILD_SECONDS = 900


def missing(toolchain: str) -> str:
    """Say what keeps a toolchain from being used here, "" for nothing."""
    programs = {"go": ["go"], "java": ["java", "javac", "mvn"]}.get(toolchain, [])
    absent = [program for program in programs if shutil.which(program) is None]
    modules = {"oss2": ["oss2"], "bodies": BODIES}.get(toolchain, [])
    tools = TOOLS if toolchain == "tools" else []
    absent += [name for name in tools if not tool(name).exists()]
    absent += [module for module in modules if importlib.util.find_spec(module) is None]
    return f"no {', '.join(absent)}" if absent else ""


def tool(name: str) -> Path:
    """Return where pip puts a program."""
    return Path(sys.executable).with_name(name)


def in_ci() -> bool:
    """Tell whether leaving a toolchain out is a failure."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def build() -> None:
    """Build all drivers and programs that can be built here, Go beside Java."""
    builders: dict[str, Callable[[], None]] = {"go": _build_go, "java": _build_java}
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(make) for name, make in builders.items() if not missing(name)]
        for job in running:
            job.result()


def java_command(main: str, *options: str, libraries: Path = JAVA_LIB) -> list[str]:
    """Return how a Java program that was built is started."""
    return ["java", *options, "-cp", f"{JAVA_CLASSES}{os.pathsep}{libraries}/*", main]


def python_command(driver: str) -> list[str]:
    """Return how a driver in Python is started, in the folder `ROOT`."""
    return [sys.executable, "-m", f"tests.interop.python.{driver}"]


def versitygw() -> Path:
    """Return versitygw, which is installed unless it is there."""
    folder = BUILD / f"versitygw-{VERSITYGW}"
    program = folder / "versitygw"
    if not program.exists():
        _run(
            ["go", "install", f"github.com/versity/versitygw/cmd/versitygw@v{VERSITYGW}"],
            environment={"GOBIN": str(folder)},
        )
    return program


def _build_go() -> None:
    GO_BIN.mkdir(parents=True, exist_ok=True)
    _run(["go", "build", "-o", f"{GO_BIN}{os.sep}", "./..."], HERE / "go")


def _build_java() -> None:
    pom = HERE / "java" / "pom.xml"
    sources = sorted((HERE / "java").rglob("*.java"))
    for libraries, listed in ((JAVA_LIB, pom), (JAVA_KMS_LIB, HERE / "java" / "kms" / "pom.xml")):
        if _changed(libraries, [listed]):
            _run(
                [
                    *["mvn", "-q", "-B", "-f", str(listed), "dependency:copy-dependencies"],
                    f"-DoutputDirectory={libraries}",
                ]
            )
            _note(libraries, [listed])
    if _changed(JAVA_CLASSES, [pom, *sources]):
        _run(
            [
                *["javac", "-d", str(JAVA_CLASSES), "-cp", f"{JAVA_LIB}/*", "-encoding", "UTF-8"],
                *map(str, sources),
            ]
        )
        _note(JAVA_CLASSES, [pom, *sources])


def _changed(folder: Path, sources: list[Path]) -> bool:
    stamp = folder / ".sources"
    if stamp.is_file() and stamp.read_text() == _digest(sources):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return True


def _note(folder: Path, sources: list[Path]) -> None:
    (folder / ".sources").write_text(_digest(sources))


def _digest(sources: list[Path]) -> str:
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()


def _run(
    command: list[str], folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> None:
    result = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=_BUILD_SECONDS,
        check=False,
    )
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{result.stdout}\n{result.stderr}")
