"""An audit as text for people: what there is, what was found, and the keys."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from cipherbucket.cli.hints import in_options
from cipherbucket.cli.wrapping import wrapped
from cipherbucket.text import amount, count, printable

_VERSION = "version"
_INDENT = 15
_NAMED = 3
"""Names that stand behind a finding."""
_REASONS = 3
"""Reasons that stand below a finding, the commonest."""
_LISTED = 10
"""Names of objects that a key cannot be retired for."""


def text_of(whole: dict[str, Any]) -> str:
    """Lay out what `cipherbucket.Audit.report` returns."""
    blocks = (
        _head(whole),
        _formats(whole),
        _algorithms(whole),
        _findings(whole),
        _keys(whole),
        _asked(whole),
    )
    notes = [wrapped(printable(note), sys.stdout) for note in whole["notes"]]
    return "\n\n".join(
        "\n".join(block)
        for block in (*(list(map(_fitted, block)) for block in blocks), notes)
        if block
    )


def _fitted(line: str) -> str:
    return wrapped(printable(line), sys.stdout, _INDENT)


def _head(whole: dict[str, Any]) -> Iterator[str]:
    target = f"{whole['url'].removesuffix('/')}/{whole['prefix']}"
    when = whole["started"][:16].replace("T", " ")
    stored = amount(whole["stored_bytes"])
    there = count(whole["objects"], _thing(whole))
    there += f" of {count(whole['names'], 'object')}" if _thing(whole) == _VERSION else ""
    yield f"{target}: {there}, {stored} stored, at {when} UTC"
    footers = "read" if whole["footers"] else "not read"
    uploads = "unknown" if whole["uploads"] is None else f"{whole['uploads']:,}"
    yield (
        f"old versions: {whole['versions']}; unfinished uploads: {uploads};"
        f" footers of sealed objects: {footers}"
    )


def _formats(whole: dict[str, Any]) -> Iterator[str]:
    yield f"{_column(whole):>13}  {'STORED':>11}  FORMAT"
    for name, tally in whole["formats"].items():
        yield _columns(tally, name)


def _algorithms(whole: dict[str, Any]) -> Iterator[str]:
    if whole["algorithms"]:
        yield f"{_column(whole):>13}  {'STORED':>11}  WRAP ALGORITHM"
    for name, formats in whole["algorithms"].items():
        both = {
            field: sum(tally[field] for tally in formats.values())
            for field in ("objects", "stored_bytes")
        }
        yield _columns(both, name)


def _findings(whole: dict[str, Any]) -> Iterator[str]:
    if not whole["findings"]:
        yield "no findings"
        return
    yield f"{_column(whole):>13}  FINDING"
    for each in whole["findings"]:
        more = ["..."] if each["objects"] > _NAMED else []
        names = [*each["first"][:_NAMED], *more]
        if _thing(whole) == _VERSION:  # with their ids they are long
            yield f"{each['objects']:>13,}  {each['text']}:"
            yield from (f"{'':>15}{name}" for name in names)
        else:
            yield f"{each['objects']:>13,}  {each['text']}: {', '.join(names)}"
        for why in each["reasons"][:_REASONS]:
            reason = in_options(why["reason"])
            yield f"{'':>15}{why['objects']:,} for: {reason}"
        if more_reasons := sum(why["objects"] for why in each["reasons"][_REASONS:]):
            yield f"{'':>15}{more_reasons:,} for other reasons, in --json"


def _keys(whole: dict[str, Any]) -> Iterator[str]:
    if not whole["keys"]:
        return
    notes: dict[str, int] = {}
    yield f"{_column(whole):>13}  {'STORED':>11}  {'RETIRE':<11}  {'KIND':<10}  KEY"
    for each in whole["keys"]:
        bits = "/".join(f"{bits:,}" for bits in each["rsa_bits"])
        kind = f"{each['kind'].upper()} {bits}".strip()
        answer = _answer(each["retire"], notes) if each["retire"] is not None else ""
        label = each["description"] or "no description"
        named = f"  ({each['key']})" if each["key"] is not None else ""
        kms = f"  KMS: {', '.join(each['kms_keys'])}" if each["kms_keys"] else ""
        yield _columns(each, f"{answer:<11}  {kind:<10}  {label}{named}{kms}")
    for reasons, number in notes.items():
        yield f"{'':>15}({number}) {reasons}"


def _answer(retirement: dict[str, Any], notes: dict[str, int]) -> str:
    """Return an answer; why it is unknown stands below the table, once for all such keys."""
    answer = str(retirement["answer"])
    if answer != "unknown":
        return answer
    reasons = "; ".join(retirement["reasons"])
    return f"{answer} ({notes.setdefault(reasons, len(notes) + 1)})"


def _asked(whole: dict[str, Any]) -> Iterator[str]:
    for each in whole["retire"]:
        several = each["reasons"] if len(each["reasons"]) > 1 and each["answer"] != "no" else []
        reasons = "" if several else "; ".join(each["reasons"])
        if each["answer"] == "no":
            name = "names" if each["objects"] == 1 else "name"
            reasons = f"{count(each['objects'], _thing(whole))} {name} it"
            if each["alone"] != each["objects"]:
                reasons += f", {each['alone']:,} of them no other key"
        yield (f"Can {each['key']} be retired? {each['answer']}{': ' if reasons else ''}{reasons}")
        yield from (f"  {reason}" for reason in several)
        if each["removed"]:
            yield f"  the footer of {count(each['removed'], _thing(whole))} still names it"
        for name in each["first"][:_LISTED]:
            yield f"  {name}"
        if each["objects"] > _LISTED:
            yield f"  ... and {each['objects'] - _LISTED:,} more, in --json and --csv"


def _thing(whole: dict[str, Any]) -> str:
    """Return what was counted."""
    return _VERSION if whole["versions"] == "looked at" else "object"


def _column(whole: dict[str, Any]) -> str:
    return f"{_thing(whole).upper()}S"


def _columns(tally: dict[str, Any], rest: str) -> str:
    return f"{tally['objects']:>13,}  {amount(tally['stored_bytes']):>11}  {rest}".rstrip()
