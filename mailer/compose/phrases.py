"""See that catalogs have the phrases that mail templates speak.

In: a catalog, the phrases of a design. Out: the phrases it lacks, and the fault that lists them; or
a design in whose catalogs nothing is missing, to look for all else that may be wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mailer.model.faults import Fault, Severity
from mailer.model.mailing import Design
from mailer.statements.catalog import Catalog, catalog_file

#: A phrase: its msgid, and its plural msgid or "".
Phrase = tuple[str, str]


def lacking_phrases(catalog: Catalog, phrases: Iterable[Phrase]) -> tuple[str, ...]:
    """Return the msgids of the phrases that the catalog has not, or not in all their forms."""
    return tuple(sorted({msgid for msgid, plural in phrases if not catalog.has(msgid, plural)}))


def lacking_fault(language: str, msgids: Iterable[str], severity: Severity) -> Fault:
    """Return the fault that lists what a catalog lacks.

    Args:
        language: Tag of the catalog.
        msgids: What it lacks.
        severity: An error where an edition is in its language; else its readers can be written to
            in the language of the edition.
    """
    listed = "; ".join(f'"{msgid}"' for msgid in msgids)
    problem = f"lacks phrases that the mail templates speak: {listed}"
    remedy = "Translate them, or take them out of the templates"
    if severity is Severity.WARNING:
        remedy += "; until then its readers read the notice in the language of the edition"
    return Fault(catalog_file(language), 0, "", problem, remedy, severity=severity)


def without_gaps(design: Design, phrases: Iterable[Phrase], language: str = "en") -> Design:
    """Return a design whose templates can be rendered: what a catalog lacks stands for itself.

    Args:
        design: As it is.
        phrases: Those that its templates speak.
        language: Tag of a catalog that is to be there in any case.
    """
    rules = {language: "(n != 1)", **design.plural_rules}
    spoken = sorted(set(phrases))
    filled: dict[str, dict[str, tuple[str, ...]]] = {}
    for tag, rule in rules.items():
        catalog = Catalog(tag, rule, design.catalogs.get(tag, {}))
        forms = dict(catalog.forms)
        for msgid, plural in spoken:
            if not catalog.has(msgid, plural):
                forms[msgid] = (msgid,) * (catalog.form_count if plural else 1)
        filled[tag] = forms
    return replace(design, catalogs=filled, plural_rules=rules)
