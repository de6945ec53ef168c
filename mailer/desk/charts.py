"""Draw figures as pictures that read without color, each with its table beside it.

In: labels, counts, and the words around them, as plain text. Out: HTML with an SVG: no inline style and
no script; patterns, dashes and written numbers tell what is what, in the color of the text. Everything
that is handed in is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

#: In units of the picture, which is as wide as a narrow phone shows it.
_WIDTH = 320
_BAR, _ROW = 10, 34
_PLOT_HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 150, 44, 8, 10, 22
#: What stands behind each other's lines: drawn through, and two kinds of dashes.
_DASHES = ("", "6 3", "2 3", "9 3 2 3")
#: Beside how many points a line shows each of them.
_MOST_MARKS = 40


@dataclass(frozen=True)
class Words:
    """What a chart is called and says, already in the reader's language."""

    #: Unique on the page: letters, digits and hyphens.
    key: str
    title: str
    #: What it shows in a sentence, for who does not see it.
    description: str
    #: Over the first column of the table.
    of_what: str


@dataclass(frozen=True)
class Bar:
    """A label and how many, with the words that stand for the number: "1,204", or "< 10"."""

    label: str
    count: int
    shown: str


@dataclass(frozen=True)
class Line:
    """A name, and a count for each point of time."""

    name: str
    counts: Sequence[int]


def bars(words: Words, rows: Sequence[Bar], count_heading: str) -> str:
    """Return bars, the longest as wide as the picture, with their table."""
    most = max((one.count for one in rows), default=0) or 1
    parts = [_pattern(words.key)]
    for place, one in enumerate(rows):
        top = place * _ROW
        width = max(one.count, 0) / most * (_WIDTH - 2)
        parts.append(
            f'<text class="chart-label" x="0" y="{top + 13}">{escape(one.label)}</text>'
            f'<text class="chart-count" x="{_WIDTH}" y="{top + 13}" text-anchor="end">'
            f"{escape(one.shown)}</text>"
            f'<rect class="chart-bar" x="1" y="{top + 18}" width="{width:.1f}" height="{_BAR}" '
            f'fill="url(#{words.key}-hatch)" stroke="currentColor"/>'
        )
    table = _table(words, [count_heading], [(one.label, [one.shown]) for one in rows])
    return _figure(words, len(rows) * _ROW or _ROW, parts, table)


def lines_over_time(words: Words, points: Sequence[str], lines: Sequence[Line]) -> str:
    """Return a line for each kind of event over points of time, with their table.

    Args:
        words: what the picture says.
        points: the points of time in order, as they are to be read.
        lines: a count for each point; four kinds at most can be told apart.

    Raises:
        ValueError: when there are more lines than can be told apart, or a count is missing.
    """
    if len(lines) > len(_DASHES):
        raise ValueError(f"{len(lines)} lines cannot be told apart in one picture")
    if any(len(one.counts) != len(points) for one in lines):
        raise ValueError("every line needs a count for every point")
    most = max((count for one in lines for count in one.counts), default=0) or 1
    parts = [_axes(most, points)]
    foot = _TOP + _PLOT_HEIGHT + _BOTTOM
    for place, one in enumerate(lines):
        parts.append(_line(one, most, _DASHES[place], f"chart-line-{place + 1}"))
        parts.append(_legend(one, foot + place * 18, _DASHES[place]))
    rows = [
        (point, [str(one.counts[place]) for one in lines]) for place, point in enumerate(points)
    ]
    table = _table(words, [one.name for one in lines], rows)
    return _figure(words, foot + len(lines) * 18, parts, table)


def _pattern(key: str) -> str:
    """Return stripes, which are told from paper in any color and in print."""
    return (
        f'<defs><pattern id="{key}-hatch" width="5" height="5" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="3" height="5" fill="currentColor"/>'
        "</pattern></defs>"
    )


def _axes(most: int, points: Sequence[str]) -> str:
    bottom = _TOP + _PLOT_HEIGHT
    right = _WIDTH - _RIGHT
    ends = ""
    if points:
        ends = f'<text class="chart-label" x="{_LEFT}" y="{bottom + 14}">{escape(points[0])}</text>'
    if len(points) > 1:
        ends += (
            f'<text class="chart-label" x="{right}" y="{bottom + 14}" text-anchor="end">'
            f"{escape(points[-1])}</text>"
        )
    return (
        f'<path class="chart-axis" d="M{_LEFT} {_TOP}V{bottom}H{right}" fill="none" '
        'stroke="currentColor"/>'
        f'<text class="chart-count" x="{_LEFT - 4}" y="{_TOP + 8}" text-anchor="end">{most}</text>'
        f'<text class="chart-count" x="{_LEFT - 4}" y="{bottom}" text-anchor="end">0</text>{ends}'
    )


def _line(line: Line, most: int, dashes: str, kind: str) -> str:
    step = (_WIDTH - _LEFT - _RIGHT) / max(len(line.counts) - 1, 1)
    places = [
        (_LEFT + place * step, _TOP + _PLOT_HEIGHT * (1 - count / most))
        for place, count in enumerate(line.counts)
    ]
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    marks = ""
    # A single point is no line.
    if len(places) <= _MOST_MARKS:
        marks = "".join(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="currentColor"/>' for x, y in places
        )
    return (
        f'<polyline class="chart-line {kind}" points="{drawn}" fill="none" stroke="currentColor" '
        f'stroke-width="1.5"{_dashed(dashes)}/>{marks}'
    )


def _legend(line: Line, top: int, dashes: str) -> str:
    return (
        f'<path d="M{_LEFT} {top + 8}h36" fill="none" stroke="currentColor" stroke-width="1.5"'
        f'{_dashed(dashes)}/><text class="chart-label" x="{_LEFT + 44}" y="{top + 12}">'
        f"{escape(line.name)}</text>"
    )


def _dashed(dashes: str) -> str:
    return f' stroke-dasharray="{dashes}"' if dashes else ""


def _figure(words: Words, height: int, parts: Sequence[str], table: str) -> str:
    key = escape(words.key)
    return (
        f'<div class="chart"><svg viewBox="0 0 {_WIDTH} {height}" role="img" font-size="12" '
        f'fill="currentColor" aria-labelledby="{key}-title {key}-desc">'
        f'<title id="{key}-title">{escape(words.title)}</title>'
        f'<desc id="{key}-desc">{escape(words.description)}</desc>{"".join(parts)}</svg>{table}</div>'
    )


def _table(words: Words, headings: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    head = "".join(f'<th scope="col" class="number">{escape(one)}</th>' for one in headings)
    body = "".join(
        f'<tr><th scope="row">{escape(label)}</th>'
        + "".join(
            f'<td data-label="{escape(heading)}" class="number">{escape(cell)}</td>'
            for heading, cell in zip(headings, cells, strict=True)
        )
        + "</tr>"
        for label, cells in rows
    )
    return (
        f'<table class="rows chart-table"><caption>{escape(words.title)}</caption><thead><tr>'
        f'<th scope="col">{escape(words.of_what)}</th>{head}</tr></thead><tbody>{body}</tbody></table>'
    )
