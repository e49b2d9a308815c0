"""An audit as one page of HTML, to be read by whoever answers for the keys, and kept.

Rule: the page needs nothing else. It asks no server for anything, runs no program, and its policy
(CSP) forbids both, whatever stands in it: names and descriptions are chosen by whoever may write to
the store, and each passes through `shown`. What the page says without colours, it says on paper.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence

from cipherbucket.audit.audited_object import FORMATS
from cipherbucket.audit.charts import FORMAT_NAMES, Bar, chart, shown
from cipherbucket.audit.facts import TOOL, AuditFacts
from cipherbucket.audit.findings import FINDINGS
from cipherbucket.audit.html_style import STYLE
from cipherbucket.audit.key_labels import readable
from cipherbucket.audit.retirement import MOST_NAMES, Retirement
from cipherbucket.audit.summary import AGES, FormatCounts, KeyUse
from cipherbucket.text import amount, count

_CHARTED = 10
"""Keys that have a bar of their own."""
_LISTED = 100
"""Keys that have a row of their own."""
_MOST_REASONS = 3
"""Reasons that stand below a finding, the commonest."""
_NO_NAME = '<span class="small">It has no name to ask by.</span>'
_OPTION, _UNBROKEN = re.compile(r"--[a-z-]+"), r'<span class="option">\g<0></span>'
_KINDS = {"rsa": "RSA", "aes": "AES", "kms": "KMS", "other": "unknown kind"}


def page(facts: AuditFacts) -> str:
    """Return the page."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    target = f"{facts.scope.url.removesuffix('/')}/{facts.scope.prefix}"
    body = (
        _head(facts, target),
        _tiles(facts),
        _findings(facts),
        _answers(facts),
        _charts(facts),
        _keys(facts),
        _notes(facts),
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>Encryption audit of {shown(target)}, {facts.scope.started:%Y-%m-%d}</title>\n"
        f"<style>{STYLE}</style>\n</head>\n<body>\n{''.join(body)}</body>\n</html>\n"
    )


def _head(facts: AuditFacts, target: str) -> str:
    scope = facts.scope
    seconds = (facts.finished - scope.started).total_seconds()
    ring = len(scope.ring)
    uploads = scope.uploads
    rows = {
        "Looked at": f"{scope.started:%Y-%m-%d %H:%M} UTC, in {max(1, round(seconds)):,} s",
        "By": TOOL,
        "Keys given": f"{ring:,} key{'' if ring == 1 else 's'}" if ring else "none",
        "Old versions": facts.versions,
        "Unfinished uploads": "unknown"
        if uploads is None
        else f"{uploads:,}"
        if uploads
        else "none",
        "Footers of sealed objects": "read" if scope.footers else "not read",
        "KMS": "asked which key wrapped what" if scope.asked_kms else "not asked",
    }
    items = "".join(
        f"<div><dt>{name}</dt><dd>{shown(text)}</dd></div>" for name, text in rows.items()
    )
    return (
        "<header>\n<h1>Encryption audit</h1>\n"
        f'<p class="target"><code>{shown(target)}</code></p>\n'
        f'<dl class="facts">{items}</dl>\n</header>\n'
    )


def _tiles(facts: AuditFacts) -> str:
    summary = facts.summary
    encrypted = [summary.formats.get(name, [0, 0]) for name in ("oss", "oss-v1", "sealed")]
    share = _share(sum(count for count, _ in encrypted), summary.objects)
    share_of_bytes = _share(sum(size for _, size in encrypted), summary.stored_size)
    named = sum(1 for use in summary.keys.values() if use.objects)
    kinds = len(summary.findings)
    whole = facts.whole.partition(" ")[2]
    tiles = (
        (f"{summary.objects:,}", f"{whole}, {amount(summary.stored_size)} stored"),
        (share, f"of {facts.thing}s encrypted; {share_of_bytes} of bytes"),
        (f"{named:,}", f"master key{'' if named == 1 else 's'} named by {facts.thing}s"),
        (
            f"{kinds:,}",
            f"kind{'' if kinds == 1 else 's'} of findings, in {facts.counted(summary.concerned)}",
        ),
    )
    items = "".join(f"<li><strong>{big}</strong>{small}</li>" for big, small in tiles)
    return f'<ul class="tiles">{items}</ul>\n'


def _head_of(facts: AuditFacts) -> str:
    """Return the head of a column of counts."""
    return f"{facts.thing.title()}s"


def _findings(facts: AuditFacts) -> str:
    found = facts.summary.findings
    if not found:
        return "<h2>Findings</h2>\n<p>None.</p>\n"
    rows = "".join(
        f'<tr class="long"><td><span class="what">{FINDINGS[code].text}</span>'
        f'<div class="small">{FINDINGS[code].advice}</div>'
        f"{_keys_in_both_formats(facts) if code == 'both-formats' else ''}{_reasons(facts, code)}"
        f'{_names(names, count)}</td><td class="n">{count:,}</td></tr>'
        for code, (count, names) in found.items()
    )
    return (
        "<h2>Findings</h2>\n<table><thead><tr><th>What was found, the worst first</th>"
        f'<th class="n">{_head_of(facts)}</th></tr></thead><tbody>{rows}</tbody></table>\n'
    )


def _keys_in_both_formats(facts: AuditFacts) -> str:
    keys = (f"<li>{_label(use)}</li>" for use in facts.summary.keys_in_both_formats()[:MOST_NAMES])
    return f"<ul>{''.join(keys)}</ul>"


def _reasons(facts: AuditFacts, code: str) -> str:
    """List the commonest reasons for a finding, where they were counted."""
    reasons = facts.summary.reasons(code)[:_MOST_REASONS]
    items = (f'<li class="small">{count:,} for: {shown(reason)}</li>' for reason, count in reasons)
    return f"<ul>{''.join(items)}</ul>" if reasons else ""


def _names(names: Sequence[str], count: int) -> str:
    """List names: the first in sight, all on demand and on paper."""
    if not names:
        return ""
    first = f'<div><span class="name">{shown(names[0])}</span></div>'
    if len(names) == 1:
        return first
    items = "".join(f'<li class="name">{shown(name)}</li>' for name in names)
    what = f"the first {len(names):,} of {count:,}" if count > len(names) else f"all {count:,}"
    return f'{first}<details><summary>{what}</summary><ol class="names">{items}</ol></details>'


def _answers(facts: AuditFacts) -> str:
    answers = facts.answers
    if not answers:
        return ""
    rows = "".join(
        f"<tr><td>{_described(each.question.text)}</td><td>{_answer(each, facts.thing)}"
        f"{_names(each.first, each.objects)}</td></tr>"
        for each in answers
    )
    return (
        "<h2>Can this key be retired?</h2>\n<table><thead><tr><th>Key that was asked about</th>"
        f"<th>Answer</th></tr></thead><tbody>{rows}</tbody></table>\n"
    )


def _answer(each: Retirement, thing: str) -> str:
    lines = []
    if each.objects:
        alone = "" if each.alone == each.objects else f"; {each.alone:,} of them no other key"
        lines.append(f"{count(each.objects, thing)} name{'s' * (each.objects == 1)} it{alone}")
    if each.removed:
        other = f"other {thing}" if each.objects else thing
        many = "" if each.removed == 1 else "s"
        lines.append(f"{each.removed:,} {other}{many} name{'s' * (not many)} it in the footer only")
    if not each.objects:
        lines += each.reasons
    # An option of the command line is not broken at its hyphens.
    items = "".join(f"<li>{_OPTION.sub(_UNBROKEN, shown(line))}</li>" for line in lines)
    return (
        f'<span class="answer {each.answer}">{each.answer}</span>'
        f"{f'<ul>{items}</ul>' if items else ''}"
    )


def _charts(facts: AuditFacts) -> str:
    summary = facts.summary
    uses = [use for use in summary.keys_by_size() if use.objects]
    keys = [Bar(_text(use), use.formats) for use in uses[:_CHARTED]]
    if rest := uses[_CHARTED:]:
        keys.append(Bar(f"{len(rest):,} more", _joined([use.formats for use in rest])))
    formats = [
        Bar(FORMAT_NAMES[name], {name: summary.formats[name]})
        for name in FORMATS
        if name in summary.formats
    ]
    ages = [Bar(age, counts) for (age, _), counts in zip(AGES, summary.ages, strict=True)]
    drawn = [chart(f"{_head_of(facts)} and bytes by format", formats)] if formats else []
    if keys:
        note = "An object that several keys can open counts for each of them."
        drawn.append(chart(f"{_head_of(facts)} and bytes by master key", keys, note, exact=True))
    if used := sorted(summary.algorithms.items()):
        bars = [Bar(name, counts) for name, counts in used]
        note = "How data keys are wrapped; several ways where an object has several keys."
        drawn.append(
            chart(f"{_head_of(facts)} and bytes by wrap algorithm", bars, note, exact=True)
        )
    if formats:
        note = "Since body or metadata were last written."
        drawn.append(chart(f"{_head_of(facts)} and bytes by age", ages, note))
    return f"<h2>In figures</h2>\n{''.join(drawn)}\n" if drawn else ""


def _keys(facts: AuditFacts) -> str:
    uses = facts.summary.keys_by_size()
    answers = facts.retirements
    rows = "".join(_key(use, answers.get(use.label), facts.thing) for use in uses[:_LISTED])
    more = len(uses) - _LISTED
    note = f"<p>{more:,} more keys are in the JSON report.</p>\n" if more > 0 else ""
    return (
        "<h2>Master keys, and whether they can be retired</h2>\n"
        '<div class="wide" tabindex="0"><table><thead><tr><th>Key</th>'
        f'<th class="n">{_head_of(facts)}</th><th class="n">Stored</th>'
        "<th>Written</th><th>Retire?</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>\n{note}"
        if rows
        else ""
    )


def _key(use: KeyUse, answer: Retirement | None, thing: str) -> str:
    given = "not given" if use.key_id is None else f"given: {use.key_id}"
    kms = f"; by the KMS: {', '.join(sorted(use.kms_ids))}" if use.kms_ids else ""
    span = ""
    if use.oldest is not None and use.newest is not None:
        span = f"{use.oldest:%Y-%m-%d} to<br>{use.newest:%Y-%m-%d}"
    return (
        f"<tr><td>{_label(use)}"
        f'<div class="small">{_kind(use)}, {shown(given)}{shown(kms)}</div></td>'
        f'<td class="n">{use.objects:,}</td><td class="n">{amount(use.stored_size)}</td>'
        f'<td class="when">{span}</td>'
        f'<td class="may">{_answer(answer, thing) if answer is not None else _NO_NAME}</td></tr>'
    )


def _notes(facts: AuditFacts) -> str:
    notes = "".join(f"<p>{shown(note)}</p>" for note in facts.notes)
    return f'<h2>What this report is worth</h2>\n<div class="worth">{notes}</div>\n'


def _kind(use: KeyUse) -> str:
    bits = " and ".join(f"{bits:,}" for bits in sorted(use.bits))
    return f"{_KINDS[use.label.kind]} {bits}".strip() + (" bits" if bits else "")


def _label(use: KeyUse) -> str:
    exact = use.label.description
    return _described(exact) if exact else f"<code>{shown(_text(use))}</code>"


def _described(exact: str) -> str:
    """Write a description to be read; below it as it is, where letters may look like others."""
    below = "" if readable(exact) == exact else f'<div class="small exact">{shown(exact)}</div>'
    return f"<code>{shown(readable(exact))}</code>{below}"


def _text(use: KeyUse) -> str:
    if not use.label.description:
        return f"no description ({_KINDS[use.label.kind]})"
    return readable(use.label.description)


def _joined(parts: Sequence[FormatCounts]) -> FormatCounts:
    joined: FormatCounts = {}
    for part in parts:
        for name, (objects, size) in part.items():
            both = joined.setdefault(name, [0, 0])
            both[0] += objects
            both[1] += size
    return joined


def _share(part: int, whole: int) -> str:
    """Write a share so that 100 % means all of it, and 0 % nothing."""
    if not whole:
        return "none"
    percent = 100 * part / whole
    if part not in {0, whole}:
        percent = min(max(percent, 0.1), 99.9)
    return f"{percent:.1f} %" if percent % 100 else f"{percent:.0f} %"
