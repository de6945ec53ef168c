"""Say the facts of an audit entry in the words of the desk's languages.

In: a fact's name and value, as the log keeps them. Out: `FactSaid`. Keys, names and figures are the same in
every language; a name that has no phrase stays in English, and is marked as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mailer.desk.phrases import mark
from mailer.desk.supporters import REASONS
from mailer.desk.visit import Visit
from mailer.desk.words import MAILING_STATES, ROLES
from mailer.model.audit import Fact
from mailer.model.states import Settlement
from mailer.statements.editions import is_edition_tag
from mailer.statements.languages import language_name

NAMES: Mapping[str, str] = {
    "added": mark("added"),
    "after": mark("after"),
    "already_stored": mark("known before"),
    "as_of": mark("as of"),
    "backup": mark("backup"),
    "batch": mark("import"),
    "before": mark("before"),
    "by": mark("by"),
    "bytes": mark("bytes"),
    "came_back": mark("something came back"),
    "changed": mark("changed"),
    "changed_since": mark("changed since, left as it is"),
    "corrected_by": mark("corrected by"),
    "decision": mark("decision"),
    "deliveries": mark("deliveries"),
    "digest": mark("digest"),
    "due_at": mark("due at"),
    "expires_at": mark("valid until"),
    "file": mark("file"),
    "for_partners": mark("for partners"),
    "format": mark("format"),
    "held": mark("held"),
    "ids": mark("numbers"),
    "issue": mark("issue"),
    "joined": mark("put on the list"),
    "journals": mark("journals"),
    "kept": mark("rows kept"),
    "key": mark("key"),
    "kind": mark("kind"),
    "language": mark("language"),
    "languages": mark("languages"),
    "left": mark("off the list"),
    "lifted": mark("lifted"),
    "limit": mark("limit"),
    "mailing": mark("mailing"),
    "merged": mark("merged"),
    "new": mark("new"),
    "newsletter": mark("newsletter"),
    "organisation": mark("organization"),
    "organisations": mark("organizations"),
    "people": mark("people"),
    "public_from": mark("public from"),
    "purposes": mark("purposes"),
    "reason": mark("reason"),
    "recipients": mark("recipients"),
    "rejected": mark("rejected"),
    "relay": mark("relay"),
    "removed": mark("removed"),
    "replayed": mark("entries taken over"),
    "restored": mark("as before"),
    "returns": mark("came back by their own wish"),
    "revision": mark("revision"),
    "roles": mark("roles"),
    "rows": mark("rows"),
    "selector": mark("selector"),
    "sender": mark("sender"),
    "sessions": mark("sessions"),
    "since": mark("since"),
    "state": mark("state"),
    "suppressed": mark("suppressed"),
    "taken_over": mark("taken over"),
    "unchanged": mark("unchanged"),
    "unsubscriptions_lost_since": mark("unsubscriptions may be lost since"),
    "updated": mark("updated"),
    "upload": mark("upload"),
    "values": mark("values"),
    "without_consent": mark("without consent"),
    "zone": mark("time zone"),
    "zones": mark("time zones"),
}
SETTLEMENTS: Mapping[Settlement, str] = {
    Settlement.RESEND: mark("to be sent again"),
    Settlement.TAKE_AS_SENT: mark("taken as sent"),
    Settlement.REPORTED: mark("settled by a later report"),
}
#: How somebody proved who they are.
PROOFS: Mapping[str, str] = {
    "app": mark("authenticator app"),
    "recovery code": mark("recovery code"),
    "link": mark("link"),
    "reset": mark("reset"),
}
#: What the values of a fact are called, where they are members of an enum.
_VALUES: Mapping[str, Mapping[str, str]] = {
    "state": {one.value: words for one, words in MAILING_STATES.items()},
    "before": {
        **{one.value: words for one, words in MAILING_STATES.items()},
        **{one.value: words for one, words in ROLES.items()},
    },
    "roles": {one.value: words for one, words in ROLES.items()},
    "decision": {one.value: words for one, words in SETTLEMENTS.items()},
    "lifted": {one.value: words for one, words in REASONS.items()},
    "by": PROOFS,
}
_LANGUAGES = frozenset({"language", "languages"})
_MOMENTS = frozenset({
    "as_of", "due_at", "expires_at", "public_from", "since", "unsubscriptions_lost_since",
})  # fmt: skip


@dataclass(frozen=True)
class FactSaid:
    """A fact as the log's page shows it."""

    name: str
    value: str
    #: Whether the name has no phrase, and stands in English.
    in_english: bool


def say_fact(visit: Visit, name: str, fact: Fact) -> FactSaid:
    """Return a fact in the page's language."""
    known = name in NAMES
    words = visit.say(NAMES[name]) if known else name.replace("_", " ")
    return FactSaid(words, _value(visit, name, fact) or "–", not known)


def _value(visit: Visit, name: str, fact: Fact) -> str:
    if isinstance(fact, bool):
        return visit.say("yes") if fact else visit.say("no")
    if isinstance(fact, int):
        return str(fact)
    if name in _MOMENTS and isinstance(fact, str):
        return _moment(visit, fact)
    if isinstance(fact, str):
        fact = fact.split(",") if name in _LANGUAGES else [fact]
    return ", ".join(_one(visit, name, one) for one in fact or ())


def _one(visit: Visit, name: str, text: str) -> str:
    if name in _LANGUAGES:
        return language_name(text, visit.language) if is_edition_tag(text) else text
    known = _VALUES.get(name, {})
    return visit.say(known[text]) if text in known else text


def _moment(visit: Visit, text: str) -> str:
    """Return an instant as the page shows instants; a text that is none as it is."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return visit.shown(moment) if moment.tzinfo is not None else text
