"""The charts of an audit's page: bars drawn as SVG, for objects and for bytes side by side.

Rule: every text is escaped here, where it is put into the page; what nobody can print is shown as
its number. No chart needs its colours to be read, as every bar has its number beside it; people who
see fewer colours can still distinguish these eight (Okabe and Ito, 2008).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from cipherbucket.audit.audited_object import FORMATS
from cipherbucket.audit.summary import FormatCounts
from cipherbucket.text import amount, printable

FORMAT_NAMES = {
    "oss": "OSS format (V2)",
    "oss-v1": "OSS format, old (V1)",
    "sealed": "sealed",
    "plaintext": "not encrypted",
    "unreadable": "envelope not understood",
    "failed": "not looked at",
    "gone": "gone meanwhile",
}
"""The formats, for people."""

_LABEL, _BAR, _NUMBER, _ROW, _HEAD = 214, 168, 92, 26, 40
"""Widths of a label, of the longest bar and of the number behind it; heights. All in pixels."""
_WIDTH = _LABEL + 2 * (_BAR + _NUMBER)
_LONGEST = 29
"""Characters of a label."""


@dataclass(frozen=True)
class Bar:
    """One row of a chart: its label, and objects and bytes by format."""

    label: str
    counts: FormatCounts

    def total(self, which: int) -> int:
        """Return all its objects (0) or all its bytes (1)."""
        return sum(both[which] for both in self.counts.values())


def chart(title: str, bars: Sequence[Bar], note: str = "", *, exact: bool = False) -> str:
    """Draw a chart: a row a bar, objects on the left and stored bytes on the right.

    Args:
        title: What it shows.
        bars: From top to bottom.
        note: What is to be said below the title.
        exact: Whether labels are texts of a machine.
    """
    height = _HEAD + _ROW * len(bars) + 6
    parts = [
        f'<svg role="img" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}">',
        f"<title>{shown(title)}</title>",
    ]
    for which, unit in enumerate(("Number", "Stored (bytes)")):
        left = _LABEL + which * (_BAR + _NUMBER)
        parts.append(f'<text class="unit" x="{left}" y="16">{unit}</text>')
        parts.append(
            f'<line class="axis" x1="{left}" x2="{left}" y1="{_HEAD - 12}" y2="{height - 4}"/>'
        )
    most = [max((bar.total(which) for bar in bars), default=0) for which in (0, 1)]
    for number, bar in enumerate(bars):
        parts += _row(bar, _HEAD + _ROW * number, most, "label exact" if exact else "label")
    below = f'<p class="small">{shown(note)}</p>' if note else ""
    there = [name for name in FORMATS if any(name in bar.counts for bar in bars)]
    return (
        f"<figure><figcaption><h3>{shown(title)}</h3>{below}</figcaption>"
        f'<div class="wide" tabindex="0">{"".join(parts)}</svg></div>{_legend(there)}</figure>'
    )


def _row(bar: Bar, top: int, most: Sequence[int], label: str) -> list[str]:
    middle = top + 13
    written = f"<title>{shown(bar.label)}</title>{shown(_short(bar.label))}"
    parts = [f'<text class="{label}" x="{_LABEL - 10}" y="{middle}">{written}</text>']
    for which in (0, 1):
        left = at = float(_LABEL + which * (_BAR + _NUMBER))
        for name in FORMATS:
            count = bar.counts.get(name, (0, 0))[which]
            if not count:
                continue
            width = max(1.0, _BAR * count / most[which])
            text = f"{FORMAT_NAMES[name]}: {_number(count, which)}"
            parts.append(
                f'<rect class="f-{name}" x="{at:.1f}" y="{top}" width="{width:.1f}" height="18">'
                f"<title>{text}</title></rect>"
            )
            at += width
        total = _number(bar.total(which), which)
        parts.append(
            f'<text class="number" x="{max(at, left) + 6:.1f}" y="{middle}">{total}</text>'
        )
    return parts


def _legend(names: Sequence[str]) -> str:
    items = (
        f'<li><svg width="12" height="12" aria-hidden="true"><rect class="f-{name}" width="12"'
        f' height="12"/></svg> {FORMAT_NAMES[name]}</li>'
        for name in names
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST else label[: _LONGEST - 1] + "…"


def _number(value: int, which: int) -> str:
    return amount(value) if which else f"{value:,}"


def shown(text: str) -> str:
    """Write a text into a page: nothing in it is taken for HTML, and all of it can be seen."""
    return escape(printable(text), quote=True)
