"""What faults say, and that the desk can say it in each of its languages."""

import json
import pickle

import pytest

from mailer.desk.faults import joined, plain, say_both, say_fault
from mailer.desk.phrases import LANGUAGES, LOCALE_DIR, desk_catalogs
from mailer.model.faults import Fault, kept_fault, told_fault
from mailer.model.worded import from_document, to_document, with_values, worded
from mailer.statements.catalog import load_catalogs
from tools.fault_phrases import fault_phrases, unknown_words

LONG = worded("is longer than %(longest)s characters", longest=80)


def test_words_of_a_fault_are_phrases():
    """None is put together while the program runs, where no catalog could know it."""
    assert [] == unknown_words()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_fault_of_the_desk_has_its_phrase(language):
    """Whatever module of the source it comes from."""
    forms = load_catalogs(LOCALE_DIR)[language].forms
    phrases = fault_phrases()
    assert len(phrases) > 400
    assert [] == [phrase for phrase, _ in phrases if phrase not in forms]


def test_a_worded_sentence_is_its_english_text():
    """To logs, programs and the command line it is a text like any other."""
    assert "is longer than 80 characters" == LONG
    assert "5 % of 3" == worded("5 %% of %(count)s", count=3)
    assert LONG is worded(LONG)
    again = pickle.loads(pickle.dumps(LONG))
    assert (LONG, LONG.phrase, LONG.values) == (again, again.phrase, again.values)
    with pytest.raises(KeyError):
        worded("is longer than %(longest)s characters", most=80)


def test_a_worded_sentence_is_kept_as_json():
    """With the sentences that stand in it."""
    kept = worded("%(field)s: %(problem)s", field="name", problem=LONG)
    read = from_document(json.loads(json.dumps(to_document(kept))))
    assert ("name: is longer than 80 characters", LONG.phrase) == (
        read,
        read.values["problem"].phrase,
    )
    assert "is missing" == from_document(to_document("is missing"))
    fault = Fault("news.toml", 3, "name", LONG, "Make it shorter")
    assert fault == told_fault(json.loads(json.dumps(kept_fault(fault))))


def test_what_somebody_typed_is_changed_in_every_value():
    """As an address that may stand in it must not be kept."""
    told = with_values(worded('"%(text)s" is no day', text="anna"), str.upper)
    assert '"ANNA" is no day' == told
    assert "ANNA" == with_values("anna", str.upper)


def test_a_fault_is_said_in_the_language_of_the_reader():
    """Its values with it, and where it is."""
    fault = Fault("statement.toml", 7, "slug", LONG, "Write it on one line")
    said = say_fault(desk_catalogs()["uk"], fault)
    assert "довше за 80 знаків. Напишіть в один рядок." == said.text
    assert "statement.toml, рядок 7, slug: довше за 80 знаків. Напишіть в один рядок." == said.whole
    assert (
        "is longer than 80 characters. Write it on one line."
        == say_fault(desk_catalogs()["en"], fault).text
    )
    assert "" == say_fault(desk_catalogs()["ro"], Fault("", 0, "--list", LONG)).place


def test_a_sentence_inside_a_sentence_is_said_too():
    """As a link's fault names what is wrong with it."""
    inner = worded("%(shown)s %(problem)s", shown='"http://a"', problem=worded("is not https"))
    assert '"http://a": адрес не на https.' == say_both(desk_catalogs()["ru"], inner).text


def test_a_fault_without_a_phrase_stays_in_english_and_is_marked():
    """It is read aloud as English; what is written in it is shown as text."""
    said = say_both(desk_catalogs()["ru"], "nobody <b> foresaw this", "Write it on one line")
    assert (
        '<span lang="en">nobody &lt;b&gt; foresaw this.</span> Напишите в одну строку.' == said.html
    )
    assert "nobody <b> foresaw this. Напишите в одну строку." == said.text
    assert said.text == plain(said.html)
    assert "lang" not in say_both(desk_catalogs()["en"], "nobody foresaw this").html
    assert "a &lt; b <span" in joined(["a < b", said.html])
