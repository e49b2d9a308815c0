"""The content type of a file, by its name."""

from __future__ import annotations

import mimetypes
from pathlib import PurePosixPath

_OFFICE = "application/vnd.openxmlformats-officedocument."
# What the system's table may not know, or calls otherwise than oss2 does.
_FURTHER = {
    ".apk": "application/vnd.android.package-archive",
    ".docx": f"{_OFFICE}wordprocessingml.document",
    ".dotx": f"{_OFFICE}wordprocessingml.template",
    ".js": "application/javascript",
    ".potx": f"{_OFFICE}presentationml.template",
    ".ppsx": f"{_OFFICE}presentationml.slideshow",
    ".pptx": f"{_OFFICE}presentationml.presentation",
    ".sldx": f"{_OFFICE}presentationml.slide",
    ".xlam": "application/vnd.ms-excel.addin.macroEnabled.12",
    ".xlsb": "application/vnd.ms-excel.sheet.binary.macroEnabled.12",
    ".xlsx": f"{_OFFICE}spreadsheetml.sheet",
    ".xltx": f"{_OFFICE}spreadsheetml.template",
}


def content_type_by_name(name: str) -> str | None:
    """Return the content type that a name suggests, or None."""
    further = _FURTHER.get(PurePosixPath(name).suffix.lower())
    return further or mimetypes.guess_type(name)[0]
