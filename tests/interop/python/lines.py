"""The drivers' protocol: one JSON request a line, one JSON answer a line.

The drivers are programs of their own, so that the warnings, logging and globals of an SDK stay
with it. They know the SDK and this file, and nothing of this project.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Request = dict[str, Any]


def serve(verbs: dict[str, Callable[[Request], bytes | None]]) -> None:
    """Answer until standard input ends; whatever a verb returns goes to the request's file."""
    for line in sys.stdin:
        answer: dict[str, Any] = {"ok": True}
        try:
            request = json.loads(line)
            data = verbs[request["op"]](request)
            if data is not None:
                Path(request["file"]).write_bytes(data)
        except Exception as error:  # noqa: BLE001  whatever an SDK raises, it has refused
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
