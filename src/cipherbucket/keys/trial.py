"""Whether a master key does what it is for, tried out on random bytes.

Rule: no object is touched, and what was drawn is forgotten. A KMS is asked as on writing
and reading: for a data key, to wrap, and to unwrap.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass

from cipherbucket.errors import MasterKeyError, WrongKeyError, without_frames
from cipherbucket.format.sealed import wrap_context
from cipherbucket.keys.base import DrawsDataKeys, MasterKey
from cipherbucket.keys.ring import check_key

_FORMATS = ("oss", "sealed")


@dataclass(frozen=True)
class KeyTrial:
    """What a key was found to do.

    Attributes:
        writes: The formats that it writes.
        reads: Whether it unwraps; false for a public half.
    """

    writes: tuple[str, ...]
    reads: bool


@without_frames
def try_key(key: MasterKey) -> KeyTrial:
    """Wrap random bytes with a key and unwrap them, in every format that it writes.

    Raises:
        MasterKeyError: It is no key, or the KMS has no such key.
        WrongKeyError: It does not unwrap what it wrapped.
        KmsError: The KMS refused, failed or could not be reached.
    """
    check_key(key)
    reads = bool(getattr(key, "can_unwrap", True))
    writes = []
    for format_ in _FORMATS:
        with suppress(MasterKeyError):
            algorithm = key.algorithm_for(format_)
            writes.append((format_, algorithm))
    for format_, algorithm in writes:
        context = wrap_context(secrets.token_bytes(16)) if format_ == "sealed" else b""
        secret = secrets.token_bytes(32)
        wrapped_keys = [(secret, key.wrap(secret, algorithm=algorithm, context=context))]
        if isinstance(key, DrawsDataKeys):
            wrapped_keys.append(key.generate(32, algorithm=algorithm, context=context))
        for plain, wrapped in wrapped_keys if reads else ():
            if key.unwrap(wrapped, algorithm=algorithm, context=context) != plain:
                raise WrongKeyError(f"key {key.id} does not unwrap what it wrapped")
    return KeyTrial(tuple(format_ for format_, _ in writes), reads)
