"""Find text in a mail that is too pale to be read, by daylight and in dark mode.

In: the HTML of a mail as it goes, its plain rules in style attributes and its rules for dark mode in
a style element. Out: what is paler than WCAG 2.2 asks (SC 1.4.3: 4.5 to 1, and 3 to 1 for large
text). What is judged is our own CSS: colors by name, number or rgb(), no pictures as ground. Where
a mail has no rules for dark mode, only daylight is judged: then programs choose colors themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any

from cssselect import HTMLTranslator, SelectorError, parse
from lxml import etree
from PIL import ImageColor

from mailer.compose.markup import parse_document
from mailer.compose.styles import rules_of

Color = tuple[int, int, int]

READABLE = 4.5
#: WCAG 2.2, "large scale": from 18 pt, or 14 pt in bold, on.
READABLE_IF_LARGE = 3.0
_LARGE_PX, _LARGE_BOLD_PX = 24.0, 18.66
_BASE_PX = 16.0
_BOLD_TAGS = frozenset({"b", "strong", "th", "h1", "h2", "h3", "h4", "h5", "h6"})
_HEADING_EMS = {"h1": 2.0, "h2": 1.5, "h3": 1.17, "h5": 0.83, "h6": 0.67}
_NO_TEXT = frozenset({"head", "style", "script", "title", "meta", "img"})
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
#: What programs give links that no rule speaks of.
_LINK = (0, 0, 238)
_DARK = re.compile(r"@media[^{]*prefers-color-scheme\s*:\s*dark")
_SIZE = re.compile(r"([\d.]+)(px|pt|em|rem|%)")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


class Scheme(StrEnum):
    """The light in which a mail is read."""

    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True)
class Pale:
    """Text that is too pale."""

    scheme: Scheme
    #: The element as style sheets name it: "p.sender".
    element: str
    #: "#5c626a".
    color: str
    ground: str
    ratio: float
    wanted: float


@dataclass(frozen=True)
class _Look:
    """How text is shown where a walk through the mail is."""

    color: Color | None = _BLACK
    #: None where it cannot be told.
    ground: Color | None = _WHITE
    size_px: float = _BASE_PX
    bold: bool = False

    @property
    def wanted(self) -> float:
        large = self.size_px >= (_LARGE_BOLD_PX if self.bold else _LARGE_PX)
        return READABLE_IF_LARGE if large else READABLE


@dataclass(frozen=True)
class _Rule:
    """A rule of dark mode for one selector."""

    find: etree.XPath
    specificity: tuple[int, int, int]
    declared: Mapping[str, tuple[str, bool]]


def contrast(color: Color, ground: Color) -> float:
    """Return the contrast of two colors, from 1 to 21 (WCAG 2.2, "contrast ratio")."""
    lighter, darker = sorted((_luminance(color), _luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: Color) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in color)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def pale_texts(html: str) -> list[Pale]:
    """Return the texts of a mail that are too pale, each once per scheme."""
    root = parse_document(html)
    found = dict.fromkeys(_pale_in(root, Scheme.LIGHT, {}))
    rules = [
        rule
        for style in root.iter("style")
        for rule in _dark_rules(_COMMENT.sub(" ", style.text or ""))
    ]
    if rules:
        found |= dict.fromkeys(_pale_in(root, Scheme.DARK, _declared(root, rules)))
    return list(found)


@lru_cache(maxsize=16)
def _dark_rules(css: str) -> Sequence[_Rule]:
    found = []
    for outer, block in rules_of(css):
        if not _DARK.match(outer):
            continue
        for selectors, body in rules_of(block):
            try:
                parsed = parse(selectors)
            except SelectorError:
                # A program that cannot read it leaves it out, too.
                continue
            declared = _declarations(body)
            found += [
                _Rule(
                    etree.XPath(HTMLTranslator().selector_to_xpath(one)),
                    one.specificity(),
                    declared,
                )
                for one in parsed
            ]
    return found


def _declared(
    root: etree._Element, rules: Sequence[_Rule]
) -> Mapping[etree._Element, Mapping[str, tuple[str, bool]]]:
    """Return what rules say of each element: the last of the most specific counts."""
    found: dict[etree._Element, dict[str, tuple[str, bool]]] = {}
    for rule in sorted(rules, key=lambda one: one.specificity):
        for element in rule.find(root):
            own = found.setdefault(element, {})
            for name, (value, is_important) in rule.declared.items():
                if is_important or not own.get(name, ("", False))[1]:
                    own[name] = (value, is_important)
    return found


def _declarations(text: str) -> dict[str, tuple[str, bool]]:
    """Return property → value, and whether it is important."""
    found = {}
    for declaration in text.split(";"):
        name, colon, value = declaration.partition(":")
        if colon:
            bare, mark, _ = value.strip().lower().partition("!important")
            found[name.strip().lower()] = (bare.strip(), bool(mark))
    return found


def _pale_in(
    root: etree._Element,
    scheme: Scheme,
    rules: Mapping[etree._Element, Mapping[str, tuple[str, bool]]],
) -> Iterator[Pale]:
    waiting: list[tuple[Any, _Look]] = [(root, _Look())]
    while waiting:
        element, around = waiting.pop()
        if not isinstance(element.tag, str) or element.tag in _NO_TEXT:
            continue
        declared = _of_element(element, rules.get(element, {}))
        if declared.get("display") == "none":
            continue
        look = _within(around, element, declared)
        if _has_text(element) and look.color is not None and look.ground is not None:
            ratio = contrast(look.color, look.ground)
            if ratio < look.wanted:
                yield Pale(
                    scheme, _named(element), _written(look.color), _written(look.ground),
                    # Rounded down, so that none reads as if it were enough.
                    int(ratio * 100) / 100, look.wanted,
                )  # fmt: skip
        waiting += [(child, look) for child in reversed(element)]


def _has_text(element: etree._Element) -> bool:
    """Tell whether there is text right in an element, not only in what it holds."""
    return bool((element.text or "").strip() or any((one.tail or "").strip() for one in element))


def _of_element(
    element: etree._Element, rules: Mapping[str, tuple[str, bool]]
) -> Mapping[str, str]:
    """Return what holds for an element: its own style, and rules that are important before it."""
    own = _declarations(element.get("style", ""))
    if element.get("bgcolor"):
        own = {"background-color": (element.get("bgcolor", ""), False), **own}
    values = {name: value for name, (value, _) in rules.items() if name not in own}
    for name, (value, is_important) in own.items():
        by_rule = rules.get(name)
        wins = by_rule is not None and by_rule[1] and not is_important
        values[name] = by_rule[0] if by_rule is not None and wins else value
    return values


def _within(around: _Look, element: etree._Element, declared: Mapping[str, str]) -> _Look:
    """Return how text of an element is shown, by what is around it and what holds for it."""
    tag = str(element.tag)
    color = around.color
    if tag == "a" and element.get("href"):
        color = _LINK
    if "color" in declared:
        said = declared["color"]
        color = around.color if said in ("inherit", "currentcolor") else _color(said)
    ground = around.ground
    said = declared.get("background-color") or declared.get("background", "")
    if "url(" in said or "gradient(" in said:
        ground = None
    elif said and said not in ("transparent", "none", "inherit", "initial"):
        ground = _color(said)
    weight = declared.get("font-weight", "")
    bold = weight in ("bold", "bolder") or (weight.isdigit() and int(weight) >= 700)
    return replace(
        around,
        color=color,
        ground=ground,
        size_px=_size(declared.get("font-size", ""), tag, around.size_px),
        bold=bold if weight and weight != "inherit" else around.bold or tag in _BOLD_TAGS,
    )


def _size(said: str, tag: str, around_px: float) -> float:
    found = _SIZE.fullmatch(said)
    if not found:
        return around_px * _HEADING_EMS.get(tag, 1.0)
    value = float(found[1])
    factors = {"px": 1.0, "pt": 4 / 3, "em": around_px, "rem": _BASE_PX, "%": around_px / 100}
    return value * factors[found[2]]


def _color(text: str) -> Color | None:
    """Return the color that CSS names; None where it is see-through or not known here."""
    try:
        parts = ImageColor.getrgb(text)
    except ValueError:
        return None
    return parts[:3] if len(parts) == 3 or parts[3] == 255 else None


def _written(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _named(element: etree._Element) -> str:
    """Return an element as style sheets name it, so that a person finds its rule."""
    if element.get("class"):
        return ".".join([str(element.tag), *element.get("class", "").split()])
    for above in element.iterancestors():
        if above.get("class"):
            return f"{_named(above)} {element.tag}"
    return str(element.tag)
