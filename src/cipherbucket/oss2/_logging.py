"""Handlers for the library's log, as oss2 lets programs set them."""

from __future__ import annotations

import logging
import os

from cipherbucket.text import PrintableFormatter

_FORMAT = "%(asctime)s %(name)s [%(levelname)s] %(thread)d : %(message)s"
_NAME = "cipherbucket"


def set_file_logger(
    file_path: str | os.PathLike[str],
    name: str = _NAME,
    level: int = logging.INFO,
    format_string: str | None = None,
) -> None:
    """Write what a logger says to a file.

    Args:
        file_path: It is appended to.
        name: The logger; this library says all under its own name.
        level: The least that is written.
        format_string: As `logging.Formatter` takes it.
    """
    _handle(logging.FileHandler(file_path), name, level, format_string)


def set_stream_logger(
    name: str = _NAME, level: int = logging.DEBUG, format_string: str | None = None
) -> None:
    """Write what a logger says to stderr; arguments as in `set_file_logger`."""
    _handle(logging.StreamHandler(), name, level, format_string)


def _handle(handler: logging.Handler, name: str, level: int, format_string: str | None) -> None:
    handler.setLevel(level)
    handler.setFormatter(PrintableFormatter(format_string or _FORMAT))
    logger = logging.getLogger(_NAME if name == "oss2" else name)
    logger.setLevel(level)
    logger.addHandler(handler)
