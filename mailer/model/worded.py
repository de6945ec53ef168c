"""A sentence in English that knows how it was made, so that another language can say the same.

In: a phrase and its values. Out: `Worded`, a text like any other to logs, programs and the command line;
the desk finds the phrase in its catalogs and says it anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_VALUE = re.compile(r"%\((\w+)\)s|%%")


class Worded(str):
    """An English sentence, with the phrase and the values it was made of."""

    #: As catalogs have it: 'is longer than %(longest)s characters'.
    phrase: str
    #: What stands for its names; a `Worded` among them is said in the other language, too.
    values: Mapping[str, object]


def worded(phrase: str, /, **values: object) -> Worded:
    """Return a phrase with its values, in English; one that is `Worded` already stays as it is.

    Raises:
        KeyError: when it names a value that is not given.
    """
    if isinstance(phrase, Worded):
        return phrase
    text = phrase
    if values:
        text = _VALUE.sub(lambda found: str(values[found[1]]) if found[1] else "%", phrase)
    made = Worded(text)
    made.phrase, made.values = phrase, values
    return made


def with_values(text: str, change: Callable[[str], str]) -> str:
    """Return a text with each value changed that somebody may have typed; plain text itself."""
    if not isinstance(text, Worded):
        return change(text)
    values = {
        name: with_values(value, change) if isinstance(value, str) else value
        for name, value in text.values.items()
    }
    return worded(text.phrase, **values)


def to_document(text: str) -> dict[str, object]:
    """Return a text as JSON can hold it, to be said in any language later on."""
    if not isinstance(text, Worded):
        return {"phrase": text}
    values = {
        name: to_document(value)
        if isinstance(value, Worded)
        else value
        if isinstance(value, int)
        else str(value)
        for name, value in text.values.items()
    }
    return {"phrase": text.phrase, "values": values}


def from_document(document: Mapping[str, object]) -> Worded:
    """Return the text that `to_document` was asked of."""
    held = document.get("values")
    values = held if isinstance(held, Mapping) else {}
    return worded(
        str(document.get("phrase", "")),
        **{
            str(name): from_document(value) if isinstance(value, Mapping) else value
            for name, value in values.items()
        },
    )
