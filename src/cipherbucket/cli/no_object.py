"""What is said of an object that is not there.

Rule: there is one wording for an object that is not there. If objects lie below its name, that is
said too, with the way on, since a folder was meant then.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import cipherbucket as cb

ADD_R = "add -r for all of them"
LIST_THEM = "cipherbucket ls -r URL lists them"
_NO_OBJECT = {None, "NoSuchKey"}
"""What stores say of it; not of a version or of a link that is not there."""


def no_object(name: str, bucket: cb.Bucket, way_on: str) -> cb.ObjectNotFoundError:
    """Return the error of an object that is not there.

    Args:
        name: Its name.
        bucket: Where it is not; what lies below the name is asked for once.
        way_on: What to do if objects lie there: `ADD_R` or `LIST_THEM`.
    """
    below = f"{name.rstrip('/')}/"
    with suppress(cb.CipherbucketError):
        if next(iter(bucket.list(below)), None) is not None:
            text = f"there is no such object, but objects lie below {below}"
            return cb.ObjectNotFoundError(text, name=name, hint=way_on)
    return cb.ObjectNotFoundError("there is no such object", name=name)


@contextmanager
def missing_said(bucket: cb.Bucket, name: str, way_on: str) -> Iterator[None]:
    """Say of an object that turns out not to be there what `no_object` says."""
    try:
        yield
    except cb.ObjectNotFoundError as error:
        if error.name != name or error.code not in _NO_OBJECT:
            raise
        raise no_object(name, bucket, way_on) from error
