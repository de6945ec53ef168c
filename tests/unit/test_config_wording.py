"""`config.toml`: whatever is wrong with a value is said in our words, and never with the value."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from mailer.config import CONFIG_FILE, Config
from mailer.config.wording import in_words
from mailer.model.faults import FaultsFound
from tests.unit.config_texts import load

#: What the library that validates would say.
FOREIGN = re.compile(
    "Input should|Field required|Value error|Extra inputs|valid (string|integer|number|tuple)"
    "|should have at least|unable to parse|NoneType|dictionary"
)
#: What could be an address or a secret; it is in no message.
VALUE = "hunter2@example.org"
RELAY = '[[relays]]\nkey = "main"\nhost = "smtp.example.org"\n'
SENDER = (
    '[[organisations]]\nkey = "harbor"\nname = { en = "Harbor" }\n'
    '[[senders]]\nkey = "harbor"\norganisation = "harbor"\nname = { en = "Harbor" }\n'
    'address = "news@example.org"\nreturn_path_domain = "b.example.org"\n'
)
#: Kind of error → texts of a file, and what is said of each: field, problem, remedy.
FAULTY = {
    "missing": [
        ('[[organisations]]\nkey = "a"', "organisations[0].name", "is missing",
         "See config.example.toml"),
    ],
    "extra_forbidden": [
        (f'[web]\nsecret = "{VALUE}"', "web.secret", "is not a key that config.toml knows",
         "See config.example.toml"),
    ],
    "model_type": [
        (f'web = "{VALUE}"', "web", "is not a table", "Begin it with the line [web]"),
        ("[[web]]\nport = 8025", "web", "is not a table", "Begin it with the line [web]"),
        (f'relays = ["{VALUE}"]', "relays[0]", "is not a table",
         "Begin it with the line [[relays]]"),
        (f'[feedback]\nimap = "{VALUE}"', "feedback.imap", "is not a table",
         "Begin it with the line [feedback.imap]"),
        (f'{SENDER}dkim = ["{VALUE}"]', "senders[0].dkim[0]", "is not a table",
         "Begin it with the line [[senders.dkim]]"),
    ],
    "tuple_type": [
        (f'[workspace]\nstaff = "{VALUE}"', "workspace.staff",
         'is not a list like ["one", "two"]', "Write it in square brackets"),
        ('[relays]\nkey = "main"', "relays", "is not a row of tables",
         "Begin each of them with the line [[relays]]"),
        (f'{SENDER}[senders.dkim]\nselector = "{VALUE}"', "senders[0].dkim",
         "is not a row of tables", "Begin each of them with the line [[senders.dkim]]"),
    ],
    "dict_type": [
        (f'[[organisations]]\nkey = "a"\nname = "{VALUE}"', "organisations[0].name",
         "is not a table", 'Write it in braces: { en = "…" }'),
    ],
    "string_type": [
        ("[workspace]\nname = 5", "workspace.name", "is not a text", 'Write it in quotes: "…"'),
        ('[[organisations]]\nkey = "a"\nname = { en = 5 }', "organisations[0].name.en",
         "is not a text", 'Write it in quotes: "…"'),
    ],
    "bool_type": [
        (f'[workspace]\nlive = "{VALUE}"', "workspace.live", "is neither true nor false",
         "Write true or false, without quotes"),
    ],
    "int_type": [
        (f'[web]\nport = "{VALUE}"', "web.port", "is not a whole number",
         "Write digits alone, without quotes: 10"),
        (f"{RELAY}per_day_plan = [1.5]\nplan_from = 2026-12-01", "relays[0].per_day_plan[0]",
         "is not a whole number", "Write digits alone, without quotes: 10"),
    ],
    "float_type": [
        (f'[breaker]\nspam_percent = "{VALUE}"', "breaker.spam_percent", "is not a number",
         "Write it without quotes, like 10 or 0.5"),
    ],
    "finite_number": [
        ("[breaker]\nspam_percent = nan", "breaker.spam_percent", "is not a number",
         "Write one like 10 or 0.5"),
        ("[delivery]\nfirst_retry_s = inf", "delivery.first_retry_s", "is not a number",
         "Write one like 10 or 0.5"),
    ],
    "date_type": [
        (f'{RELAY}per_day_plan = [5]\nplan_from = "{VALUE}"', "relays[0].plan_from",
         "is not a day", "Write it without quotes: 2026-12-01"),
        (f"{RELAY}per_day_plan = [5]\nplan_from = 2026-12-01T09:00:00Z", "relays[0].plan_from",
         "is not a day", "Write it without quotes: 2026-12-01"),
    ],
    "greater_than": [
        ("[delivery]\nfirst_retry_s = 0", "delivery.first_retry_s", "is not above 0",
         "Write more than 0"),
    ],
    "greater_than_equal": [
        ("[breaker]\nspam_percent = -1", "breaker.spam_percent", "is below 0", "Write 0 or more"),
        ("[sandbox]\nkeep = 0", "sandbox.keep", "is below 1", "Write 1 or more"),
    ],
    "less_than_equal": [
        ("[delivery]\nlongest_retry_s = 1e300", "delivery.longest_retry_s", "is above 31536000",
         "Write 31536000 or less"),
        ("[web]\nport = 80250", "web.port", "is above 65535", "Write 65535 or less"),
    ],
    "literal_error": [
        (f'{RELAY}tls = "{VALUE}"', "relays[0].tls",
         "is not one of 'starttls', 'implicit' or 'none'", "See config.example.toml"),
    ],
    "value_error": [
        ('[workspace]\nstaff = ["hunter2 at example.org"]', "workspace.staff[0]",
         "is not a mail address like news@example.org", "See config.example.toml"),
        ('[workspace]\nstaff = ["мы@example.org"]', "workspace.staff[0]",
         "has letters before the @ that not every mail server takes: use a to z",
         "See config.example.toml"),
        (f'{RELAY}username = "a"\npassword_file = "{VALUE}\\nmore"', "relays[0].password_file",
         "is not the path of a file: write where it is, not what is in it",
         "See config.example.toml"),
        ('[feedback.imap]\nhost = "imap.example.org"\nusername = ""\npassword_env = "A"',
         "feedback.imap.username", "is empty: write the name to log in by",
         "See config.example.toml"),
        ('[feedback.hooks."Our Hook"]\nkind = "mailgun"\nsecret_env = "A"',
         "feedback.hooks.Our Hook", "use lower-case letters, digits and single hyphens",
         "See config.example.toml"),
    ],
}  # fmt: skip
#: Kind of schema → kind of error it can end in by itself.
BY_SCHEMA = {
    "model": {"model_type"}, "model-fields": {"missing", "extra_forbidden"},
    "str": {"string_type"}, "bool": {"bool_type"}, "int": {"int_type"},
    "float": {"float_type"}, "date": {"date_type"}, "tuple": {"tuple_type"},
    "dict": {"dict_type"}, "literal": {"literal_error"}, "function-after": {"value_error"},
    "function-before": {"value_error"}, "nullable": set(), "default": set(), "model-field": set(),
}  # fmt: skip
#: Constraint → kind of error; those that are no constraint of ours end in none.
BY_CONSTRAINT = {
    "gt": "greater_than", "ge": "greater_than_equal", "le": "less_than_equal",
    "lt": "less_than", "multiple_of": "multiple_of", "min_length": "too_short",
    "max_length": "too_long", "pattern": "string_pattern_mismatch",
}  # fmt: skip


def kinds(schema):
    """Return the kinds of error that a schema and all below it can end in."""
    found = set(BY_SCHEMA[schema["type"]])
    found |= {kind for name, kind in BY_CONSTRAINT.items() if name in schema}
    if schema["type"] == "float":
        found.add("finite_number")
    below = [schema[name] for name in ("schema", "keys_schema", "values_schema") if name in schema]
    below += schema.get("items_schema", []) if schema["type"] == "tuple" else []
    # The workspace's folder is no key of the file.
    below += [one for name, one in schema.get("fields", {}).items() if name != "root"]
    return found.union(*map(kinds, below))


def test_every_kind_of_fault_that_a_file_can_have_has_words_of_its_own():
    """A key of a new kind brings its sentence and its example here."""
    assert set(FAULTY) == kinds(Config.__pydantic_core_schema__)


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [(kind, text, told) for kind, found in FAULTY.items() for text, *told in found],
)
def test_what_is_wrong_is_said_in_our_words(tmp_path, kind, text, told):
    """Where, what, and what to do; nothing of the library, and nothing that may be a secret."""
    with pytest.raises(FaultsFound) as raised:
        load(tmp_path, text)
    (fault,) = raised.value.faults
    assert [CONFIG_FILE, *told] == [fault.file, fault.field, fault.problem, fault.remedy]
    assert fault.line > 0
    assert not FOREIGN.search(str(fault))
    assert "hunter2" not in str(fault)
    with pytest.raises(ValidationError) as found:
        Config.model_validate({**tomllib.loads(text), "root": Path()})
    assert [kind] == [one["type"] for one in found.value.errors()]


@pytest.mark.parametrize(
    "item",
    [
        {"type": "string_pattern_mismatch", "msg": f"String should match {VALUE}"},
        {"type": "value_error", "ctx": {"error": UnicodeError(VALUE)}},
        {"type": "assertion_error", "ctx": {"error": AssertionError(VALUE)}},
    ],
    ids=lambda item: item["type"],
)
def test_what_nobody_foresaw_is_said_without_the_value(item):
    """Neither the library's words, nor what another library said of the value."""
    told = in_words({"loc": ("web", "port"), "msg": "", "input": VALUE, **item})
    assert ("is nothing that this key can take", "See config.example.toml") == told
