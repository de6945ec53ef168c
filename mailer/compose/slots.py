"""Take the slots and conditions out of an edition's body, and fill them for nobody in particular.

In: an edition's body, Markdown with `{{ supporter.x }}` and `{% if supporter.x … %}`. Out: the
Markdown with markers, for mails; or with what a person we know nothing of would read, for the
public page. Jinja always goes first: a value is never read as Markdown, nor as a template.
"""

from __future__ import annotations

import re
from types import CodeType

from mailer.compose.conditions import TruthVector, truth_vector
from mailer.compose.environment import LiftedLoader, MailEnvironment
from mailer.compose.ledger import Ledger, Slot, condition_name
from mailer.compose.lifting import lift
from mailer.compose.naming import Scene
from mailer.compose.tree import Source
from mailer.model.statement import Revision, edition_file

_NAME = "body"
_TAGS_ALONE = re.compile(r"[ \t]*(?:\{[%#](?:(?![%#]\}).)*[%#]\}[ \t]*)+")
_TAG_AT_START = re.compile(r"^([ \t]*\{[%#])(?![+-])")
_TAG_AT_END = re.compile(r"(?<![+-])([%#]\}[ \t]*)$")
#: CommonMark §2.4: these may stand after a backslash; words hold none but the last few.
_MARKDOWN_SIGNS = re.compile(r"([\\`*_{}\[\]<>()#+.!|~:-])")


def lift_body(
    revision: Revision, language: str, fields: frozenset[str] | None, ledger: Ledger
) -> CodeType:
    """Check an edition's body and return it compiled, its slots and conditions in the ledger.

    Args:
        revision: The statement.
        language: Tag of the edition.
        fields: Attributes that the lists declare; None takes any name for one.
        ledger: Takes the slots and conditions.

    Raises:
        FaultsFound: with everything wrong in it.
    """
    edition = revision.editions[language]
    source = Source(
        "\n".join(map(_keep_line, edition.body.split("\n"))),
        _NAME,
        edition_file(revision, language),
        edition.body_line,
    )
    return lift(source, MailEnvironment(html=False), Scene({}, fields), ledger).code


def _keep_line(line: str) -> str:
    """Let a tag that shares its line with text leave the line's indentation and end alone.

    The environment takes both away, which is right for a tag that has a line for itself; but in
    Markdown the end of a line of text parts paragraphs, and its indentation lists.
    """
    if _TAGS_ALONE.fullmatch(line):
        return line
    return _TAG_AT_END.sub(r"+\1", _TAG_AT_START.sub(r"\1+", line))


def render_body(code: CodeType, vector: TruthVector) -> str:
    """Return the body's Markdown for one truth vector, markers in the place of slots."""
    environment = MailEnvironment(LiftedLoader({_NAME: code}), html=False)
    truths = {condition_name(index): truth for index, truth in enumerate(vector)}
    return environment.get_template(_NAME).render(truths)


def body_without_supporter(revision: Revision, language: str) -> str:
    """Return an edition's body as somebody reads it of whom nothing is known.

    A slot becomes its default, or nothing; conditions are asked of a person without any field, so
    that `{% if supporter.country == "MD" %}` does not hold and its `{% else %}` is read.

    Returns:
        Markdown without slots.

    Raises:
        FaultsFound: when the body is not a template.
    """
    ledger = Ledger()
    code = lift_body(revision, language, None, ledger)
    markdown = render_body(code, truth_vector(ledger.conditions, {}))
    return "".join(
        _MARKDOWN_SIGNS.sub(r"\\\1", piece.default) if isinstance(piece, Slot) else piece
        for piece in ledger.split(markdown)
    )
