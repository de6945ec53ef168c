"""Say in our words why a value of `config.toml` cannot be taken, and what to do about it.

In: what the validation found at a key. Out: a problem and a remedy, as a fault tells them. Neither
holds the value, which may be a password or an address: only what a check of our own chose to say of
it, and what the key may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydantic_core import ErrorDetails

#: Where a value stands in the file: ("senders", 1, "address").
Location = tuple[int | str, ...]

SEE_EXAMPLE = "See config.example.toml"
UNKNOWN_KEY = "is not a key that config.toml knows"
#: The tables that come in any number, each with a key.
ROWS = ("organisations", "senders", "relays")
#: All tables that come in any number.
TABLES = (*ROWS, "pacing")
#: Kind of error → problem and remedy.
_WORDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "missing": ("is missing", SEE_EXAMPLE),
        "extra_forbidden": (UNKNOWN_KEY, SEE_EXAMPLE),
        "string_type": ("is not a text", 'Write it in quotes: "…"'),
        "bool_type": ("is neither true nor false", "Write true or false, without quotes"),
        "int_type": ("is not a whole number", "Write digits alone, without quotes: 10"),
        "float_type": ("is not a number", "Write it without quotes, like 10 or 0.5"),
        "finite_number": ("is not a number", "Write one like 10 or 0.5"),
        "date_type": ("is not a day", "Write it without quotes: 2026-12-01"),
        "tuple_type": ('is not a list like ["one", "two"]', "Write it in square brackets"),
        "dict_type": ("is not a table", 'Write it in braces: { en = "…" }'),
    }
)
#: What nobody foresaw.
_CANNOT_BE_READ = ("is nothing that this key can take", SEE_EXAMPLE)
#: Kind of error → what it says of the bound, what to write, and the name of the bound.
_BOUNDS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "greater_than": ("is not above {}", "Write more than {}", "gt"),
        "greater_than_equal": ("is below {}", "Write {} or more", "ge"),
        "less_than_equal": ("is above {}", "Write {} or less", "le"),
    }
)
#: Ends the place of a name that is wrong itself.
_NAME_ITSELF = "[key]"


def in_words(item: ErrorDetails) -> tuple[str, str]:
    """Return what is wrong at a key, and what to do about it.

    Args:
        item: one error of the validation.
    """
    kind, context = item["type"], item.get("ctx", {})
    if kind == "value_error":
        return _own_words(context["error"])
    if kind == "literal_error":
        return f"is not one of {context['expected']}", SEE_EXAMPLE
    if kind in _BOUNDS:
        problem, remedy, name = _BOUNDS[kind]
        bound = f"{context[name]:.10g}"
        return problem.format(bound), remedy.format(bound)
    return _of_table(kind, item["loc"]) or _WORDS.get(kind, _CANNOT_BE_READ)


def _own_words(error: Exception) -> tuple[str, str]:
    # A library's own errors are ValueErrors too, and may quote what they were given.
    return (str(error), SEE_EXAMPLE) if type(error) is ValueError else _CANNOT_BE_READ


def _of_table(kind: str, location: Location) -> tuple[str, str] | None:
    """Return what to say where a table, or any number of them, should begin; None elsewhere."""
    name = ".".join(part for part in location if isinstance(part, str))
    if kind == "model_type":
        header = f"[[{name}]]" if isinstance(location[-1], int) else f"[{name}]"
        return "is not a table", f"Begin it with the line {header}"
    if kind == "tuple_type" and name in (*TABLES, "senders.dkim"):
        return "is not a row of tables", f"Begin each of them with the line [[{name}]]"
    return None


def dotted(location: Location) -> str:
    """Return a place as people write it: `senders[1].address`."""
    text = ""
    for part in location:
        if part != _NAME_ITSELF:
            text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
