"""The program ``cipherbucket``, as it is started.

Rule: it stands outside the package and imports nothing of it at first, because that takes a part of
a second, and Ctrl-C is to end the program quietly then as well. For the same reason it imports only
modules that Python has loaded before it. Nothing is done yet in that time, so that nothing has to
be undone.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # `signal` itself imports much
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

_INTERRUPTED = 130
_LINE = b"cipherbucket: interrupted\n"


def main() -> NoReturn:
    """Import the command line, which then takes interrupts itself, and run it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored
        signal.signal(signal.SIGINT, _end)
    from cipherbucket.cli import main as run  # noqa: PLC0415  see above

    run()


def _end(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001  the signature
    """End at once: an exception could be caught, or reported, by what is being imported."""
    try:
        os.write(2, b"\n" + _LINE if os.isatty(2) else _LINE)  # after the terminal's ^C
    finally:
        os._exit(_INTERRUPTED)
