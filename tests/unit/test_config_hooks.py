"""`[feedback.hooks]` of config.toml: each kind says what it needs, and nothing of another's."""

import pytest

from mailer.config import load_config
from mailer.model.faults import FaultsFound
from tests.unit.config_texts import EXAMPLE, faults, load

TOPIC = '"arn:aws:sns:eu-central-1:123456789012:mailer-feedback"'
SES = f'kind = "ses"\ntopics = [{TOPIC}]'
POSTMARK = 'kind = "postmark"\nsecret_env = "A"\nusername = "postmark"'
MAILGUN = 'kind = "mailgun"\nsecret_env = "A"'


def table(text, key="one"):
    """The example with one hook."""
    return f"{EXAMPLE}\n[feedback.hooks.{key}]\n{text}\n"


@pytest.mark.parametrize(
    "text",
    [
        SES, POSTMARK, MAILGUN, 'kind = "postmark"\nsecret_file = "a"\nheader = "X-Mailer-Secret"',
        'kind = "example"', 'kind = "example"\nsecret_env = "A"\nsettings = { region = "eu" }',
        'kind = "ses"\ntopics = ["arn:aws-cn:sns:cn-north-1:123456789012:a"]',
        'kind = "ses"\ntopics = ["arn:aws-us-gov:sns:us-gov-west-1:123456789012:b"]',
    ],
)  # fmt: skip
def test_what_a_kind_needs_is_enough(tmp_path, text):
    """Secrets are looked for when they are needed."""
    assert ["one"] == list(load(tmp_path, table(text)).feedback.hooks)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('kind = "ses"', 'kind = "ses" needs topics'),
        (f'{SES}\nsecret_env = "A"', 'secret_env is not for kind = "ses"'),
        (f'{SES}\nsettings = {{ a = "b" }}', 'settings is not for kind = "ses"'),
        ('kind = "mailgun"', 'kind = "mailgun" needs secret_file or secret_env'),
        (f'{MAILGUN}\nsecret_file = "b"', "the secret comes from secret_file or secret_env, not both"),
        (f'{MAILGUN}\nusername = "b"', 'username is not for kind = "mailgun"'),
        (f"{MAILGUN}\ntopics = [{TOPIC}]", 'topics is not for kind = "mailgun"'),
        (f'{POSTMARK}\nheader = "X-A"', 'kind = "postmark" needs username or header, one of them'),
        ('kind = "postmark"\nsecret_env = "A"',
         'kind = "postmark" needs username or header, one of them'),
        ('kind = "postmark"\nusername = "a"', 'kind = "postmark" needs secret_file or secret_env'),
        ('kind = "example"\nusername = "a"', 'username is not for kind = "example"'),
    ],
)  # fmt: skip
def test_what_a_kind_lacks_or_has_no_use_for_is_refused(tmp_path, text, problem):
    """Nothing is left out silently."""
    assert [("feedback.hooks.one", problem)] == faults(tmp_path, table(text))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("kind = 7", "kind"), ('kind = "Ses"', "kind"), ("topics = []", "kind"),
        (f'{SES}\nsecret = "A"', "secret"), ('kind = "ses"\ntopics = "a"', "topics"),
        ('kind = "ses"\ntopics = ["arn:aws:sns:eu-central-1:123456789012:a.fifo"]', "topics[0]"),
        ('kind = "ses"\ntopics = ["arn:aws:sqs:eu-central-1:123456789012:a"]', "topics[0]"),
        ('kind = "ses"\ntopics = ["arn:aws:sns:evil.example.org/:123456789012:a"]', "topics[0]"),
        ('kind = "ses"\ntopics = ["arn:aws:sns:eu-central-1:123456789012:*"]', "topics[0]"),
        (f'{MAILGUN}\nheader = "Authorization"', "header"),
        (f'{MAILGUN}\nusername = "a:b"', "username"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused_at_its_key(tmp_path, text, field):
    """With the line it stands on."""
    with pytest.raises(FaultsFound) as raised:
        load(tmp_path, table(text))
    (fault,) = raised.value.faults
    assert f"feedback.hooks.one.{field}" == fault.field
    assert fault.line > EXAMPLE.count("\n")


def test_a_hook_has_a_name_that_fits_into_an_address(tmp_path):
    """As other keys do."""
    with pytest.raises(FaultsFound):
        load(tmp_path, table(MAILGUN, '"a/b"'))


def test_the_secret_is_never_printed(tmp_path, monkeypatch):
    """Neither by a config nor by a fault."""
    secret = "correct-horse-battery"
    (tmp_path / "hook.secret").write_text(secret)
    (tmp_path / "hook.secret").chmod(0o644)
    config = load(tmp_path, table('kind = "mailgun"\nsecret_file = "hook.secret"'))
    with pytest.raises(FaultsFound) as raised:
        config.hook_secret("one")
    assert "chmod 600 hook.secret" in str(raised.value)
    (tmp_path / "hook.secret").chmod(0o600)
    assert secret == config.hook_secret("one")
    assert secret not in f"{raised.value} {config!r} {config.model_dump_json()}"


def test_the_example_s_hooks_load_when_the_marks_are_taken_off(tmp_path):
    """What stands there as a comment is right."""
    begin = EXAMPLE.index("# [feedback.hooks.ses]")
    end = EXAMPLE.index("# Who owns lists of people.")
    lines = EXAMPLE[begin:end].splitlines()
    keys = [line[2:] for line in lines if line.startswith("# [") or " = " in line]
    (tmp_path / "config.toml").write_text("\n".join(keys))
    assert ["ses", "postmark", "other"] == list(load_config(tmp_path).feedback.hooks)
