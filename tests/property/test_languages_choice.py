"""The choice of an edition holds its promises for whatever people, lists and statements say."""

from hypothesis import given
from hypothesis import strategies as st

from mailer.model.audience import LanguageProfile, LanguageStep
from mailer.model.tags import normalize_tag, parse_tag
from mailer.statements.languages import choose_edition, is_never, script_of

TAGS = st.sampled_from(
    [
        "en",
        "en-GB",
        "en-US",
        "ru",
        "ru-UA",
        "ru-KG",
        "uk",
        "be",
        "be-tarask",
        "ro",
        "ro-MD",
        "mo",
        "ky",
        "fa",
        "fa-AF",
        "prs",
        "de",
        "de-AT",
        "sr",
        "sr-Latn",
        "sr-Cyrl",
        "sr-ME",
        "sh",
        "zh-Hant",
        "zh-TW",
        "zh",
        "az",
        "az-Arab",
        "iw",
        "he",
        "in",
        "id",
    ]
)
LISTS = st.lists(TAGS, max_size=4, unique=True)
EDITIONS = st.lists(TAGS.map(normalize_tag), min_size=1, max_size=5, unique=True)


@st.composite
def situations(draw):
    """A profile, the editions there are, the source among them, and a chain."""
    editions = draw(EDITIONS)
    profile = LanguageProfile(tuple(draw(LISTS)), tuple(draw(LISTS)))
    return profile, editions, draw(st.sampled_from(editions)), draw(LISTS)


@given(situations())
def test_the_never_list_is_always_honored(situation):
    """Neither the edition nor the language of the notice is ever on the never-list."""
    profile, editions, source, chain = situation
    choice = choose_edition(profile, editions, source, chain)
    for tag in (choice.language, choice.wanted):
        assert tag is None or not is_never(tag, profile.never)


@given(situations())
def test_the_choice_is_one_of_the_editions_or_none(situation):
    """What is chosen is there, and nothing is chosen only when every way is barred."""
    profile, editions, source, chain = situation
    choice = choose_edition(profile, editions, source, chain)
    assert choice.language is None or choice.language in editions
    assert (choice.language is None) == (choice.step is LanguageStep.NONE)
    if choice.language is None:
        assert is_never(source, profile.never)


@given(situations())
def test_the_choice_is_the_same_every_time(situation):
    """The same people and the same editions give the same choice."""
    assert choose_edition(*situation) == choose_edition(*situation)


@given(situations())
def test_a_match_keeps_language_and_script(situation):
    """An edition taken for a person's language is in that language and in its script."""
    profile, editions, source, chain = situation
    choice = choose_edition(profile, editions, source, chain)
    if choice.step is LanguageStep.FIRST:
        edition, wanted = parse_tag(choice.language), parse_tag(choice.wanted)
        assert (wanted.language, script_of(wanted)) == (edition.language, script_of(edition))


@given(situations())
def test_the_first_language_is_not_passed_over(situation):
    """Whoever could be sent an edition in exactly their first language is sent that one."""
    profile, editions, source, chain = situation
    choice = choose_edition(profile, editions, source, chain)
    if choice.wanted in editions:
        assert choice.language == choice.wanted
        assert choice.step is LanguageStep.FIRST


@given(situations())
def test_more_never_never_brings_back(situation):
    """A longer never-list can take a choice away and can only replace it by an allowed one."""
    profile, editions, source, chain = situation
    before = choose_edition(profile, editions, source, chain)
    if before.language is None:
        return
    stricter = LanguageProfile(profile.languages, (*profile.never, before.language))
    after = choose_edition(stricter, editions, source, chain)
    assert after.language != before.language


@given(st.text(max_size=30))
def test_any_text_is_a_tag_in_one_form_or_refused(text):
    """Reading a tag either gives its one form or says that it is none."""
    try:
        tag = normalize_tag(text)
    except ValueError:
        return
    assert tag == normalize_tag(tag)
    assert tag.isascii()
