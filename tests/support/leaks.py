"""What an exception gives away: its words, and all that its frames hold."""

import traceback
from collections.abc import Callable, Iterator, Mapping
from types import CellType, FrameType, FunctionType

from cipherbucket.credentials import Credentials
from cipherbucket.keys.base import MasterKey
from cipherbucket.keys.kms.client import KmsClient
from cipherbucket.keys.ring import KeyRing


def chain(error: BaseException) -> list[BaseException]:
    """Return an exception and whatever is behind it, shown in tracebacks or not."""
    found: dict[int, BaseException] = {}
    left = [error]
    while left:
        each = left.pop()
        if id(each) not in found:
            found[id(each)] = each
            left += [next_ for next_ in (each.__cause__, each.__context__) if next_ is not None]
            left += each.exceptions if isinstance(each, BaseExceptionGroup) else ()
    return list(found.values())


def words(error: BaseException) -> str:
    """Return all that reports of an exception may quote of it and of what is behind it.

    That includes the lines of the test: a secret stands in a constant there.
    """
    texts = []
    for each in chain(error):
        texts += [str(each), repr(each), repr(each.args), repr(vars(each))]
    texts += traceback.format_exception(error)
    return "\n".join(texts)


def frames(error: BaseException) -> Iterator[FrameType]:
    """Give the frames of an exception and of all that is behind it, but for those of tests."""
    for each in chain(error):
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if "/tests/" not in frame.f_code.co_filename:
                yield frame


def leaks(error: BaseException, *secrets: bytes | str) -> list[str]:
    """Say in which variables of which frames a secret is: as it is, in hex or as a number."""
    shapes: set[object] = set()
    for secret in secrets:
        raw = secret.encode() if isinstance(secret, str) else secret
        shapes |= {raw, raw.decode("latin-1"), raw.hex(), int.from_bytes(raw, "big")}
    found = []
    for frame in frames(error):
        code = frame.f_code
        for name, value in frame.f_locals.items():
            if _holds(value, shapes, set()):
                found.append(f"{code.co_filename}:{code.co_name}: {name}")
    return found


def _holds(value: object, shapes: set[object], seen: set[int]) -> bool:
    """Tell whether a value, or what it consists of, shows a secret; attributes of ours included."""
    if id(value) in seen:
        return False
    seen.add(id(value))
    if isinstance(value, bytes | bytearray | memoryview):
        raw = bytes(value)
        return any(isinstance(each, bytes) and each in raw for each in shapes)
    if isinstance(value, str):
        return any(isinstance(each, str) and each in value for each in shapes)
    if isinstance(value, int):
        return value in shapes
    return any(_holds(each, shapes, seen) for each in _parts(value)) or any(
        isinstance(each, str) and each in _shown(value) for each in shapes
    )


def _parts(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        yield from value
    elif isinstance(value, FunctionType):
        yield from (each for each in value.__closure__ or () if _filled(each))
    elif isinstance(value, CellType):
        yield value.cell_contents
    elif type(value).__module__.startswith("cipherbucket") and not _is_key(value):
        yield from getattr(value, "__dict__", {}).values()
        for kind in type(value).__mro__:
            slots = getattr(kind, "__slots__", ())
            names = (slots,) if isinstance(slots, str) else slots
            yield from (getattr(value, name, None) for name in names)


def _is_key(value: object) -> bool:
    """Tell whether a value is what a program gave: a master key, a ring, or credentials."""
    return isinstance(value, MasterKey | KeyRing | Credentials | KmsClient)


def _filled(cell: CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001  a repr of anything
        return ""


def raised(call: Callable[[], object]) -> BaseException:
    """Return what a call raises."""
    try:
        call()
    except BaseException as error:  # noqa: BLE001  it is looked at
        return error
    raise AssertionError("it was done")
