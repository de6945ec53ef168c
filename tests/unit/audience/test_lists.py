"""Files of lists and segments: what is wrong with them, at its line."""

import json
from dataclasses import replace

import pytest

from mailer.audience.lists import block_to_add, load_lists
from mailer.audience.segments import load_segments, parse_segment
from mailer.config import load_config, share_dir
from mailer.model.audience import Attribute, AttributeType
from mailer.model.faults import FaultsFound
from mailer.store.audience import list_from_document, list_to_document

NEWS = (share_dir() / "lists" / "harbor-news.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """The config of the example."""
    folder = tmp_path_factory.mktemp("workspace")
    example = (share_dir() / "config.example.toml").read_text(encoding="utf-8")
    (folder / "config.toml").write_text(example, encoding="utf-8")
    return load_config(folder)


@pytest.fixture
def folder(tmp_path):
    """An empty folder of lists."""
    made = tmp_path / "lists"
    made.mkdir()
    return made


def changed(*changes):
    """Return the example list with values in place of others."""
    text = NEWS
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def faults(folder, config, **texts):
    """Return what is wrong with lists of these texts: file, the line pointed at, field, problem.

    Each fault says what to do.
    """
    for key, text in texts.items():
        (folder / f"{key}.toml").write_text(text, encoding="utf-8")
    found = []
    for fault in load_lists(folder, config)[1]:
        lines = ["", *(folder.parent / fault.file).read_text(encoding="utf-8").split("\n")]
        found.append((fault.file, lines[fault.line], fault.field, fault.problem))
        assert fault.remedy, fault
    return found


def test_the_examples_have_no_fault(config):
    """Lists and segments as they ship."""
    definitions, found = load_lists(share_dir() / "lists", config)
    assert () == found
    attributes = {
        name: one for each in definitions.values() for name, one in each.attributes.items()
    }
    assert 3 == len(load_segments(share_dir() / "lists", attributes))


def test_what_two_lists_say_differently_is_told_at_a_line_of_the_second(folder, config):
    """A List-Id, an attribute's type, and whether it is clear."""
    other = changed(
        ('[attributes.city]\ntype = "text"', '[attributes.city]\ntype = "number"'),
        ('type = "boolean"\nclear = true', 'type = "boolean"\nclear = false'),
    )
    file = "lists/b.toml"
    assert [
        (file, 'list_id = "news.harbor.example.org"', "list_id", "is the one of a too"),
        (file, 'type = "number"', "attributes.city.type", "is number here and text in a"),
        (file, "clear = false", "attributes.member.clear",
         "is not as in a, which has the same owner"),
    ] == faults(folder, config, a=NEWS, b=other)  # fmt: skip


def test_a_key_that_is_missing_points_at_no_other_table(folder, config):
    """A type that is none, in the second of two tables that both have one."""
    text = changed(('type = "boolean"', 'type = "perhaps"'), ("list_id =", "list-id ="))
    assert [
        ("", "list_id", "is missing"),
        ('list-id = "news.harbor.example.org"', "list-id", "is not a field of a list"),
        ('type = "perhaps"', "attributes.member.type", "is not a type"),
    ] == sorted(one[1:] for one in faults(folder, config, a=text))


@pytest.mark.parametrize("word", ["Russian", "xx", "und", "english please"])
def test_a_list_is_in_languages_there_are(folder, config, word):
    """A chain of words nobody knows would give everyone the source edition."""
    problem = f'"{word}" is not a language'
    text = changed(('languages = ["en", "ru"]', f'languages = ["en", "{word}"]'))
    assert [(f'languages = ["en", "{word}"]', "languages", problem)] == [
        one[1:] for one in faults(folder, config, a=text)
    ]
    text = changed(("name = { en =", f'name = {{ "{word}" ='))
    assert [("name", problem)] == [one[2:] for one in faults(folder, config, a=text)]


@pytest.mark.parametrize(
    "basis", ["They signed at the fair", "Consent", "anna@example.org", "x" * 41]
)
def test_a_basis_of_consent_is_one_word(folder, config, basis):
    """It is stored in clear with everybody it is the basis for."""
    text = changed(('consent_basis = "consent"', f'consent_basis = "{basis}"'))
    assert [("consent_basis", "is not one word in small letters")] == [
        one[2:] for one in faults(folder, config, a=text)
    ]


def test_attributes_that_are_no_table_are_one_plain_fault(folder, config):
    """And no traceback."""
    text = "attributes = 5\n" + NEWS[: NEWS.index("[attributes")]
    assert [("attributes = 5", "attributes", "is not a table")] == [
        one[1:] for one in faults(folder, config, a=text)
    ]


def test_topics_are_named_by_language_and_keep_their_order(folder, config):
    """In the database too, which sorts what it keeps."""
    (folder / "news.toml").write_text(NEWS, encoding="utf-8")
    definition = load_lists(folder, config)[0]["news"]
    assert ["women", "press"] == list(definition.topics)
    assert "Свобода прессы" == definition.topics["press"]["ru"]
    document = json.loads(json.dumps(list_to_document(definition), sort_keys=True))
    assert definition == list_from_document(document)
    assert ["women", "press"] == list(list_from_document(document).topics)
    del document["topics"]
    assert replace(definition, topics={}) == list_from_document(document)


@pytest.mark.parametrize(
    ("line", "field", "problem"),
    [
        ('"Press!" = { en = "Press" }', "topics.Press!", "cannot be a topic's key"),
        (f'{"x" * 61} = {{ en = "Press" }}', f"topics.{'x' * 61}", "cannot be a topic's key"),
        ('press = "Press"', "topics.press", "is missing or has no language"),
        ("press = {}", "topics.press", "is missing or has no language"),
        ('press = { en = " " }', "topics.press", "has no text for en"),
        ('press = { Russian = "x" }', "topics.press", '"Russian" is not a language'),
    ],
)
def test_what_is_wrong_with_a_topic_is_told_at_its_line(folder, config, line, field, problem):
    """A key is written in statement.toml, and a name is read by people."""
    text = NEWS[: NEWS.index("women = {")] + line
    assert [(line, field, problem)] == [one[1:] for one in faults(folder, config, a=text)]
    text = f"topics = 5\n{NEWS[: NEWS.index('[topics]')]}"
    assert [("topics = 5", "topics", "is not a table")] == [
        one[1:] for one in faults(folder, config, a=text)
    ]


def test_a_list_that_is_no_toml_or_not_utf8_is_told_at_its_line(folder, config):
    """Each file by itself; the others can be used."""
    (folder / "b.toml").write_bytes("owner = 'harbor'\nname = 'Гавань'\n".encode("cp1251"))
    (folder / "c.toml").write_text("owner = 'harbor'\n\nname = {\n", encoding="utf-8")
    (folder / "a.toml").write_text(NEWS, encoding="utf-8")
    definitions, found = load_lists(folder, config)
    assert ["a"] == list(definitions)
    assert [("lists/b.toml", 2), ("lists/c.toml", 3)] == [(one.file, one.line) for one in found]


def test_the_block_that_adds_a_list_is_one(folder, config):
    """What is shown to start from can be used as it is."""
    assert [] == faults(folder, config, new=block_to_add("new", config))


ATTRIBUTES = {"city": Attribute("city", AttributeType.TEXT, clear=True)}


def segment_fault(folder, text):
    """Return line, column and problem of the one fault in a file of segments."""
    (folder / "segments.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(FaultsFound) as raised:
        load_segments(folder, ATTRIBUTES)
    (fault,) = raised.value.faults
    assert "lists/segments.toml" == fault.file
    return fault.line, fault.column, fault.problem


@pytest.mark.parametrize("header", ["[c]", "[ c ]", '["c"]', "[c] # mine"])
def test_a_segment_is_told_at_the_line_of_its_expression(folder, header):
    """However its table is written, and whatever stands before."""
    text = f"# Mine.\n[a]\nexpression = 'country = MD'\n\n{header}\nname = 'C'\nexpression = 'town = Kyiv'\n"
    assert (7, 15, '"town" is not a field') == segment_fault(folder, text)
    text = f"[a]\nexpression = 'country = MD'\n{header}\nname = 'C'\n"
    assert (3, 0, "has no expression") == segment_fault(folder, text)


def test_segments_that_are_no_toml_or_not_utf8_are_told_at_their_line(folder):
    """As any other file."""
    assert (2, 3) == segment_fault(folder, "[a]\nb 2\n")[:2]
    assert (2, 0, "is not UTF-8") == segment_fault(
        folder, "[a]\nname = 'Гавань'\n".encode("cp1251")
    )


def test_a_segment_asks_for_a_language_there_is():
    """Asked for by another word it would mean nobody, and excluded by one, nobody either."""
    for text in ("language = russian", "xx in languages", "language in (ru, Russian)"):
        with pytest.raises(FaultsFound) as raised:
            parse_segment(text, {})
        assert "is no language" in raised.value.faults[0].problem


def test_a_column_for_topics_is_for_lists_that_declare_some(folder, config):
    """Elsewhere nobody could have chosen one."""
    text = f'{NEWS}\n[columns]\ntopics = "Interests"\n'
    assert [] == faults(folder, config, a=text)
    bare = text[: text.index("[topics]")] + text[text.index("[columns]") :]
    assert [('topics = "Interests"', "columns.topics", "is for lists that declare topics")] == [
        one[1:] for one in faults(folder, config, a=bare)
    ]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('time_zone = "', 'discreet = "no"\ntime_zone = "', "is neither true nor false"),
        ('name = { en = "', 'name = { fr = 5, en = "', "has no text for fr"),
        (
            'type = "boolean"',
            'type = "boolean"\nsealed = true',
            "has other keys than type and clear",
        ),
        ("\nclear = true", '\nclear = "yes"', "is neither true nor false"),
        ("[topics]", '[columns]\nshoes = "Shoes"\n[topics]', "is not a field of supporters"),
        ("[topics]", '[columns]\ncity = ""\n[topics]', "names no column"),
    ],
)
def test_every_fault_says_what_to_do(folder, config, old, new, problem):
    """In words for people who write such a file for the first time."""
    assert problem in [one[3] for one in faults(folder, config, a=changed((old, new)))]
