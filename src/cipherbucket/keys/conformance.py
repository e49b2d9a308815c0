"""What every master key must do, as a test that its author runs.

Rule: a key is judged from outside, as the formats use it; each failure is an ``AssertionError``
that says what was expected. A key that passes can write and read the formats it says it can, opens
nothing it should not, and gives an attacker no hint by how it fails.

    def test_my_key() -> None:
        check_master_key(MyKey(...), formats=("sealed",))
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from cipherbucket.errors import MasterKeyError, NoMatchingKeyError, UsageError, WrongKeyError
from cipherbucket.format.description import Description
from cipherbucket.format.recipient_fields import is_algorithm
from cipherbucket.format.sealed import wrap_context
from cipherbucket.keys.base import DrawsDataKeys, MasterKey, was_wrapped
from cipherbucket.keys.ring import KeyRing

_FORMATS = ("oss", "sealed")
_MOST = 2048
"""Bytes of a wrapped key: three of these, with names, fit into the metadata of an object."""
_THREADS = 4


def check_master_key(key: MasterKey, formats: Iterable[str] = _FORMATS) -> None:
    """Check that a master key does what the ring and the formats ask of it.

    Makes some dozens of calls to the key.

    Args:
        key: The key; one that can unwrap, unless its ``can_unwrap`` is false.
        formats: The formats it writes, of ``oss`` and ``sealed``.

    Raises:
        AssertionError: It does not; says what was expected.
    """
    written = tuple(formats)
    _must(set(written) <= set(_FORMATS), f"formats are among {_FORMATS}, not {written}")
    _check_members(key)
    _check_ring(key)
    for each in sorted({*_FORMATS, "no-such-format"} - set(written)):
        _refuses(MasterKeyError, partial(key.algorithm_for, each), f"a key not for {each}")
    for each in written:
        algorithm = key.algorithm_for(each)
        _must(algorithm in key.algorithms, f"algorithm_for({each!r}) is one of algorithms")
        if each == "sealed":
            _must(
                is_algorithm(algorithm),
                "an algorithm of format sealed is named in capital letters, digits and -, 64 at"
                " most, and does not begin with -",
            )
        _check_refusals(key, each, algorithm)
        if getattr(key, "can_unwrap", True):
            _check_secrets(key, each, algorithm)
            _check_damage(key, each, algorithm)
            _check_threads(key, each, algorithm)


def _check_members(key: MasterKey) -> None:
    _must(isinstance(key, MasterKey), "a key has every member of MasterKey")
    _must(isinstance(key.id, str) and bool(key.id), "id is a text")
    _must(key.id == key.id, "id stays the same")
    _must(isinstance(key.description, Mapping), "description is a mapping")
    try:
        Description(key.description)
    except UsageError as error:
        raise AssertionError(f"description is a mapping of strings to strings: {error}") from error
    algorithms = key.algorithms
    _must(isinstance(algorithms, frozenset) and bool(algorithms), "algorithms is a frozenset")
    _must(all(isinstance(each, str) and each for each in algorithms), "algorithms are texts")
    _must(
        len({each.casefold() for each in algorithms}) == len(algorithms),
        "algorithms differ by more than case, which readers do not regard",
    )


def _check_ring(key: MasterKey) -> None:
    ring = KeyRing(key)
    for algorithm in key.algorithms:
        found, spelled = ring.find(algorithm.upper(), Description(key.description))
        _must(found is key and spelled == algorithm, "a ring finds the key by its description")
    other = Description({"cipherbucket": "a description that no key has"})
    _refuses(
        NoMatchingKeyError,
        lambda: ring.find(next(iter(key.algorithms)), other),
        "a ring asked for another description",
    )


def _check_refusals(key: MasterKey, written: str, algorithm: str) -> None:
    context, secret = _context(written), secrets.token_bytes(32)
    unknown = "X-NO-SUCH-ALGORITHM"
    _refuses(
        UsageError,
        lambda: key.wrap(secret, algorithm=unknown, context=context),
        "wrap with an algorithm that is not the key's",
    )
    _refuses(
        UsageError,
        lambda: key.unwrap(secret, algorithm=unknown, context=context),
        "unwrap with an algorithm that is not the key's",
    )
    if written == "sealed":
        _refuses(
            UsageError,
            lambda: key.wrap(secret, algorithm=algorithm, context=b""),
            "wrap without the context that binds a wrapped key to its object",
        )


def _check_secrets(key: MasterKey, written: str, algorithm: str) -> None:
    for length in (32, 16) if written == "oss" else (32,):
        secret, context = secrets.token_bytes(length), _context(written)
        wrapped = key.wrap(secret, algorithm=algorithm, context=context)
        _must(isinstance(wrapped, bytes) and bool(wrapped), "wrap returns bytes")
        _must(len(wrapped) <= _MOST, f"a wrapped key has at most {_MOST:,} bytes")
        _must(secret not in wrapped, "a wrapped secret does not show")
        back = key.unwrap(wrapped, algorithm=algorithm, context=context)
        _must(back == secret, "unwrap undoes wrap")
        known = was_wrapped(key, wrapped, secret, algorithm)
        _must(known is not False, "was_wrapped is not False for what was wrapped")
        _must(secret.hex() not in repr(key), "a repr shows no secret")
    if isinstance(key, DrawsDataKeys):
        context = _context(written)
        drawn = [key.generate(32, algorithm=algorithm, context=context) for _ in range(2)]
        _must(drawn[0][0] != drawn[1][0], "generate draws a new data key each time")
        for data_key, wrapped in drawn:
            _must(len(data_key) == 32, "generate draws as many bytes as were asked for")
            back = key.unwrap(wrapped, algorithm=algorithm, context=context)
            _must(back == data_key, "unwrap undoes generate")


def _check_damage(key: MasterKey, written: str, algorithm: str) -> None:
    secret, context = secrets.token_bytes(32), _context(written)
    wrapped = key.wrap(secret, algorithm=algorithm, context=context)
    words = set()
    for what, damaged in _damages(wrapped):
        opened, said = _tried(key, damaged, algorithm, context)
        _must(opened != secret, f"what is wrapped does not open {what}")
        # PKCS#1 v1.5, in format oss, may answer with random bytes instead.
        _must(written == "oss" or opened is None, f"unwrap raises WrongKeyError for {what}")
        known = opened is not None and was_wrapped(key, damaged, opened, algorithm)
        _must(known is not True, f"was_wrapped is not True for what came of one {what}")
        words |= {said} if opened is None else set()
    if written == "sealed":
        opened, said = _tried(key, wrapped, algorithm, _context(written))
        _must(opened is None, "what is wrapped for one object does not open for another")
        words.add(said)
    _must(len(words) <= 1, "all failures to unwrap look alike, in words as well")


def _check_threads(key: MasterKey, written: str, algorithm: str) -> None:
    wrong: list[str] = []

    def work() -> None:
        secret, context = secrets.token_bytes(32), _context(written)
        try:
            wrapped = key.wrap(secret, algorithm=algorithm, context=context)
            if key.unwrap(wrapped, algorithm=algorithm, context=context) != secret:
                wrong.append("another secret came back")
        except Exception as error:  # noqa: BLE001  whatever a key may raise
            wrong.append(type(error).__name__)

    threads = [threading.Thread(target=work) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _must(not wrong, f"a key works for {_THREADS} threads at once: {', '.join(wrong)}")


def _damages(wrapped: bytes) -> Iterator[tuple[str, bytes]]:
    middle = len(wrapped) // 2
    yield "with a bit changed at the start", bytes([wrapped[0] ^ 1]) + wrapped[1:]
    yield (
        "with a bit changed in the middle",
        wrapped[:middle] + bytes([wrapped[middle] ^ 1]) + wrapped[middle + 1 :],
    )
    yield "with a bit changed at the end", wrapped[:-1] + bytes([wrapped[-1] ^ 1])
    yield "cut short", wrapped[:-1]
    yield "with a byte too many", wrapped + b"\0"
    yield "empty", b""
    yield "replaced by random bytes", secrets.token_bytes(len(wrapped))


def _tried(
    key: MasterKey, wrapped: bytes, algorithm: str, context: bytes
) -> tuple[bytes | None, str]:
    try:
        return key.unwrap(wrapped, algorithm=algorithm, context=context), ""
    except WrongKeyError as error:
        return None, str(error)
    except Exception as error:
        raise AssertionError(
            f"unwrap raises WrongKeyError for what it cannot open, not {type(error).__name__}"
        ) from error


def _context(written: str) -> bytes:
    """Return the context of a new object."""
    return wrap_context(secrets.token_bytes(16)) if written == "sealed" else b""


def _refuses(kind: type[Exception], call: Callable[[], object], what: str) -> None:
    try:
        call()
    except kind:
        return
    except Exception as error:
        raise AssertionError(
            f"{what}: {kind.__name__} expected, not {type(error).__name__}"
        ) from error
    raise AssertionError(f"{what}: {kind.__name__} expected, and nothing was raised")


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(f"expected: {what}")
