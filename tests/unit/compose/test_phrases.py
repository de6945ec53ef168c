"""Phrases that a catalog lacks are told before anything is rendered."""

from dataclasses import replace

import pytest

from mailer.compose.checks import check_design, check_revision_with_design
from mailer.compose.rendering import EditionTemplates
from mailer.model.faults import FaultsFound, Severity
from mailer.statements.checks import check_revision
from tests.support.mails import (
    harbor_sender,
    library_revision,
    mail_catalogs,
    mail_design,
    one_edition,
)

FIELDS = frozenset({"city"})
NEW = '{{ _("A phrase that is new") }} {{ _("Another one") }}'
LISTED = 'lacks phrases that the mail templates speak: "A phrase that is new"; "Another one"'


def po(language):
    """Return the file of a catalog."""
    return f"templates/locale/{language}/LC_MESSAGES/mailer.po"


def saying(text, design=None):
    """Return a design whose plain text says something more."""
    design = design or mail_design()
    block = f"{{% block call %}}{text}{{% endblock %}}"
    return replace(design, message_text=design.message_text + block)


def without(phrase, *languages):
    """Return catalogs that lack a phrase in some languages, as one that is marked fuzzy."""
    catalogs = mail_catalogs()
    for language in languages:
        forms = dict(catalogs[language].forms)
        del forms[phrase]
        catalogs[language] = replace(catalogs[language], forms=forms, untranslated=(phrase,))
    return catalogs


def told(faults):
    """Return the faults as (severity, file, problem)."""
    return [(fault.severity, fault.file, fault.problem) for fault in faults]


def test_phrases_that_no_catalog_has_are_a_fault_of_each_edition_s_catalog():
    """One per catalog, with all that is missing; the others are worth a look."""
    faults = check_revision_with_design(library_revision(), saying(NEW), FIELDS)
    assert told(faults) == [
        (Severity.ERROR, po("en"), LISTED),
        (Severity.ERROR, po("fa"), LISTED),
        (Severity.WARNING, po("ro"), LISTED),
        (Severity.ERROR, po("ru"), LISTED),
    ]
    assert "the language of the edition" in faults[2].remedy


def test_a_phrase_that_only_an_edition_s_catalog_lacks_is_told_by_the_statement_s_check():
    """The statement's check names it, with the edition; the mail's check does not say it again."""
    catalogs = without("Unsubscribe", "ru")
    revision = library_revision()
    assert check_revision_with_design(revision, mail_design(catalogs), FIELDS) == []
    assert ['"Unsubscribe"' in fault.problem for fault in check_revision(revision, catalogs)] == [
        True
    ]


def test_a_reader_s_catalog_with_a_gap_is_worth_a_look():
    """Readers whose notice falls back to the edition's language are not forgotten in silence."""
    design = mail_design(without("Unsubscribe", "ro"))
    faults = check_revision_with_design(one_edition("Hello."), design, FIELDS)
    assert told(faults) == [
        (Severity.WARNING, po("ro"), 'lacks phrases that the mail templates speak: "Unsubscribe"')
    ]


def test_a_gap_in_every_catalog_is_told_once():
    """Fuzzy everywhere, English included: the statement's check tells it, and no traceback does."""
    catalogs = without("Unsubscribe", "en", "ru", "ro", "fa")
    faults = check_revision_with_design(library_revision(), mail_design(catalogs), FIELDS)
    assert [(fault.severity, fault.file) for fault in faults] == [(Severity.WARNING, po("ro"))]
    told_by_statement = check_revision(library_revision(), catalogs)
    assert [f"templates/statements/library/{one}.md" for one in ("en", "fa", "ru")] == [
        fault.file for fault in told_by_statement
    ]


def test_a_plural_needs_all_the_forms_of_its_language():
    """A phrase that a catalog has in the singular only cannot be counted with."""
    catalogs = mail_catalogs()
    for language, catalog in catalogs.items():
        forms = {**catalog.forms, "%(count)s name": ("%(count)s",) * (1 if language == "ru" else 3)}
        catalogs[language] = replace(catalog, forms=forms)
    text = '{{ ngettext("%(count)s name", "%(count)s names", 5) }}'
    design = replace(
        saying(text, mail_design(catalogs)),
        catalogs={language: dict(one.forms) for language, one in catalogs.items()},
    )
    faults = check_revision_with_design(library_revision(), design, FIELDS)
    assert [(fault.file, '"%(count)s name"' in fault.problem) for fault in faults] == [
        (po("ru"), True)
    ]


def test_a_gap_hides_nothing_else():
    """Faults of the editions are told beside it."""
    revision = library_revision(ru="Да {{ supporter.nmae }}.")
    faults = check_revision_with_design(revision, saying(NEW), FIELDS)
    assert ("templates/statements/library/ru.md", "supporter.nmae") in {
        (fault.file, fault.field) for fault in faults
    }


def test_templates_with_a_gap_are_not_sent():
    """Where such a design was pinned all the same, its mails are held and not half made."""
    with pytest.raises(FaultsFound) as raised:
        EditionTemplates(library_revision(), saying(NEW), harbor_sender(), "ru", FIELDS)
    assert told(raised.value.faults) == [(Severity.ERROR, po("ru"), LISTED)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{{ _("Hello %(name)s,") }}', "the phrase wants a value for name"),
        ('{{ _("Hello %(name)s,", nmae=supporter.name) }}', "the phrase wants a value for name"),
        ('{{ ngettext("a", "%(count)s of %(all)s", 2) }}', "the phrase wants a value for all"),
        ('{{ ngettext("a", "b", supporter.name) }}', "counts by something that is no number"),
        ('{{ ngettext("a", "b", edition.title) }}', "counts by something that is no number"),
        ('{{ edition.title | underline("-", "=") }}', "a filter takes one text in quotes only"),
    ],
)
def test_a_phrase_or_filter_that_could_not_be_filled_is_told(text, problem):
    """It is found when the template is read, with its line."""
    faults = check_design(saying(text), FIELDS)
    assert [(fault.file, fault.line, fault.problem) for fault in faults] == [
        ("templates/mail/statement/message.txt", 3, problem)
    ]


def test_a_phrase_may_count_the_rounds_of_a_loop():
    """The place in a loop is the one number that templates know."""
    text = (
        "{% for one in statement.supports %}"
        '{{ ngettext("%(count)s name", "%(count)s names", loop.index) }} {{ loop.index | underline }}'
        "{% endfor %}"
    )
    assert check_design(saying(text), FIELDS) == []
