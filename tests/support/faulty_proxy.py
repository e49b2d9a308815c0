"""A proxy before a store that loses some requests and answers, as networks and services do."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from urllib.parse import urlsplit

from tests.support.scripted_http import Answer, Request, scripted

FAULTS = ("refused", "lost", "answer lost", "broken off")


@dataclass
class Faulty:
    """A running proxy.

    Attributes:
        url: Where it listens.
        requests: How many it passed on or lost.
        faults: How often each of `FAULTS` happened.
    """

    url: str = ""
    requests: int = 0
    faults: Counter[str] = field(default_factory=Counter)


@contextmanager
def faulty_proxy(url: str, rate: float, seed: int = 18) -> Iterator[Faulty]:
    """Pass on to a store, and let so much of what comes fail.

    Args:
        url: The store's.
        rate: Which part of the requests fails: 0.05 for one in twenty.
        seed: Which ones do.
    """
    there, draw, state = urlsplit(url).netloc, random.Random(seed), Faulty()
    lock = threading.Lock()

    def answer(request: Request) -> Answer:
        with lock:
            state.requests += 1
            fault = draw.choice(FAULTS) if draw.random() < rate else ""
            state.faults.update([fault] if fault else [])
        if fault == "refused":
            return Answer(503, {"content-type": "text/plain"}, b"busy")
        if fault == "lost":
            return Answer(raw=lambda _: None)
        status, headers, body = _passed_on(there, request)
        if fault == "answer lost":
            return Answer(raw=lambda _: None)
        return Answer(status, headers, body, len(body) // 2 if fault == "broken off" else None)

    with scripted(answer) as server:
        state.url = server.url
        yield state


def _passed_on(there: str, request: Request) -> tuple[int, dict[str, str], bytes]:
    connection = HTTPConnection(there, timeout=30)
    try:
        # As they came: the signature is of them.
        connection.putrequest(
            request.method, request.target, skip_host=True, skip_accept_encoding=True
        )
        for name, text in request.headers.items():
            if name != "connection":
                connection.putheader(name, text.encode("latin-1"))
        connection.endheaders(request.body or None)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    left_out = {"transfer-encoding", "connection", "date", "server", "keep-alive"}
    headers = {
        name.lower(): text for name, text in answer.getheaders() if name.lower() not in left_out
    }
    return answer.status, headers, body
