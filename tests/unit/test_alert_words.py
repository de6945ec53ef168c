"""What staff are told, in words."""

import re
from datetime import UTC, datetime

import pytest

from mailer.model.alerts import _WORDS, Alert, AlertKind, alert_text
from mailer.model.service import SentFacts
from mailer.tokens import BadToken, Purpose, ServiceTokens, Tokens

NOW = datetime(2026, 12, 1, 7, tzinfo=UTC)
FACTS = {
    "reason": "Why it is so", "count": 3, "free_mb": 10, "limit_mb": 500, "file": "people.csv",
    "words": "550 5.7.1 no", "rows": 5, "added": 2, "updated": 1, "rejected": 2,
    "mailing": "letters-2", "most": 500,
}  # fmt: skip


def _alert(kind, **facts):
    return Alert(1, kind, "her-rights-1", facts, NOW)


@pytest.mark.parametrize("kind", AlertKind)
def test_every_alert_says_what_happened_and_what_to_do(kind):
    """Its words name nothing that nobody gives, and end with a line to act on."""
    told = alert_text(_alert(kind, **FACTS))
    assert "unknown" not in told.headline + told.text
    assert not re.search(r"[{}]", told.headline + told.text)
    assert 2 == len(told.text.split("\n\n"))
    assert set(AlertKind) == set(_WORDS)


def test_a_missing_fact_loses_no_alert():
    """It reads as unknown, and braces in a reason stay what they are."""
    assert "Reason: unknown" in alert_text(_alert(AlertKind.MAILING_HELD)).text
    assert "Reason: {x}" in alert_text(_alert(AlertKind.MAILING_HELD, reason="{x}")).text


def test_tokens_of_service_mails_pass_for_no_delivery_and_the_other_way_round(service_keys):
    """The same number in both id spaces gives tokens that only their own reader opens."""
    plain, service = Tokens(service_keys), ServiceTokens(service_keys)
    for name, read in (
        ("feedback", "read_feedback"),
        ("return_path", "read_feedback"),
        ("message_id", "read_message_id"),
    ):
        for own, other in ((plain, service), (service, plain)):
            token = getattr(own, name)(7)
            assert 7 == getattr(own, read)(token)
            with pytest.raises(BadToken):
                getattr(other, read)(token)


def test_a_link_of_a_service_mail_names_nobody(service_keys):
    """It opens the page like any other and leads to no delivery."""
    token = ServiceTokens(service_keys).person(Purpose.UNSUBSCRIBE, 7, 9)
    found = Tokens(service_keys).read_person(Purpose.UNSUBSCRIBE, token)
    assert (0, 0) == (found.delivery_id, found.supporter_id)


def test_facts_of_a_test_send_come_back_from_json_as_they_were():
    """Lists are tuples again."""
    facts = SentFacts("<m@example.org>", "<https://example.org/u/x>", ("a", "b"))
    assert facts == SentFacts.from_document(facts.to_document())
