"""What is said of an object or a folder that is not there.

Rule: there is one wording for an object that is not there. What was meant is said too, with the way
on: a folder, where objects lie below the name; one object, where a folder was named that is one;
or several, where wildcards were given to a command that takes none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import cipherbucket as cb
from cipherbucket.cli.options.wildcards import has_wildcards

ADD_R = "add -r for all of them"
NAME_OR_R = "add /NAME, or -r for all of them"
LIST_THEM = "cipherbucket ls -r URL lists them"
LEAVE_OUT_R = "leave out -r for this one"
FOLDER = "this command takes no wildcards; give the folder before them, with -r"
FOLDER_AND_GLOBS = (
    "this command takes no wildcards; give the folder before them, --exclude '*' and --include GLOB"
)
BEGINNING = "this command takes no wildcards; give what the names begin with"
ONE_NAME = "this command takes no wildcards; cipherbucket ls 'URL' lists what fits, name one"
_NO_OBJECT = {None, "NoSuchKey"}
"""What stores say of it; not of a version or of a link that is not there."""


def no_object(
    name: str, bucket: cb.Bucket, way_on: str, wildcards: str | None = None
) -> cb.ObjectNotFoundError:
    """Return the error of an object that is not there.

    Args:
        name: Its name.
        bucket: Where it is not; what lies below the name is asked for once.
        way_on: What to do if objects lie there: `ADD_R` or `LIST_THEM`.
        wildcards: What to do if the name has some; None if the command takes them.
    """
    below = f"{name.rstrip('/')}/"
    with suppress(cb.CipherbucketError):
        if next(iter(bucket.list(below)), None) is not None:
            text = f"there is no such object, but objects lie below {below}"
            return cb.ObjectNotFoundError(text, name=name, hint=way_on)
    hint = wildcards if has_wildcards(name) else None
    return cb.ObjectNotFoundError("there is no such object", name=name, hint=hint)


@contextmanager
def missing_said(
    bucket: cb.Bucket, name: str, way_on: str, wildcards: str | None = None
) -> Iterator[None]:
    """Say of an object that turns out not to be there what `no_object` says."""
    try:
        yield
    except cb.ObjectNotFoundError as error:
        if error.name != name or error.code not in _NO_OBJECT:
            raise
        raise no_object(name, bucket, way_on, wildcards) from error


def nothing_below(
    folder: str,
    bucket: cb.Bucket,
    text: str,
    way_on: str = LEAVE_OUT_R,
    wildcards: str | None = FOLDER,
) -> cb.ObjectNotFoundError:
    """Return the error of a folder in which nothing lies.

    Args:
        folder: It, with a slash at its end.
        bucket: Where it is; whether there is an object of its name is asked for once.
        text: What is said of it.
        way_on: What to do if there is that object.
        wildcards: What to do if the name has some; None if the command takes them.
    """
    name = folder.rstrip("/")
    with suppress(cb.CipherbucketError):
        if name and bucket.exists(name):
            return cb.ObjectNotFoundError(f"{text}, but {name!r} is an object", hint=way_on)
    return cb.ObjectNotFoundError(text, hint=wildcards if has_wildcards(name) else None)
