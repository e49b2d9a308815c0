"""What documents show, as programs and commands that can be run."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def blocks(document: Path, label: str) -> list[str]:
    """Return the contents of the fenced blocks with this label, such as ``python``."""
    return re.findall(
        rf"^```{label}\n(.*?)^```", document.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )


def run(command: str, folder: Path, **environment: str) -> str:
    """Run a command of a page in a shell that stops at the first error; return its output."""
    process = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env={
            "PATH": f"{BIN}:/usr/bin:/bin",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, f"{command}\n{process.stdout}\n{process.stderr}"
    return process.stdout
