"""Say findings in words: what is wrong, and what to do about it.

In: a finding, and who speaks: English, or a catalog of the desk. Out: a sentence and a remedy. Each
sentence is one msgid with named values; what another check said comes along in its English.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from mailer.app.preflight.findings import Finding, FindingCode


class Speaker(Protocol):
    """Says phrases in one language, as `mailer.statements.catalog.Catalog` does."""

    def phrase(self, msgid: str, /, **values: object) -> str:
        """Return a phrase with its values."""
        ...

    def plural(self, msgid: str, plural_msgid: str, count: int, /, **values: object) -> str:
        """Return a phrase in the form that goes with `count`."""
        ...


class English:
    """Says phrases as they are written here."""

    def phrase(self, msgid: str, /, **values: object) -> str:
        """Return the phrase with its values."""
        return msgid % values

    def plural(self, msgid: str, plural_msgid: str, count: int, /, **values: object) -> str:
        """Return the phrase for one or for more."""
        return (msgid if count == 1 else plural_msgid) % {"count": f"{count:,}", **values}


ENGLISH = English()


@dataclass(frozen=True)
class Said:
    """A finding in words."""

    #: A sentence with its full stop.
    text: str
    #: What to do; "" when there is nothing to do.
    remedy: str


@dataclass(frozen=True)
class Words:
    """The phrases of one code."""

    text: str
    remedy: str = ""
    #: Of `text` for more than one; "" where nothing is counted. The phrase names `%(count)s`.
    plural: str = ""
    #: The value that is counted.
    counted: str = ""


_ASK_LINKS = "Have the links looked at."
_ASK_DOMAIN = "Have the DNS asked."

WORDS: dict[FindingCode, Words] = {
    FindingCode.STATEMENT_UNKNOWN: Words(
        'No statement "%(slug)s" has been loaded.', "Load it, or mend its name."
    ),
    FindingCode.STATEMENT_WITHDRAWN: Words("%(problem)s.", "%(remedy)s."),
    FindingCode.ISSUE_UNRELEASED: Words("%(problem)s.", "%(remedy)s."),
    FindingCode.LIST_UNUSABLE: Words("The list cannot be used: %(problem)s.", "%(remedy)s."),
    FindingCode.SENDER_UNUSABLE: Words("The sender cannot be used: %(problem)s.", "%(remedy)s."),
    FindingCode.SEGMENT_UNUSABLE: Words(
        "Who is meant cannot be worked out: %(problem)s.", "%(remedy)s."
    ),
    FindingCode.TOPIC_UNUSABLE: Words("The topics do not fit: %(problem)s.", "%(remedy)s."),
    FindingCode.EDITION_MISSING: Words(
        "%(count)s person would want an edition in this language: %(language)s.",
        "Add it, or let them read another one with a notice.",
        "%(count)s people would want an edition in this language: %(language)s.",
        "people",
    ),
    FindingCode.EDITION_STALE: Words(
        "The edition in %(language)s was not translated from the edition in %(source)s as it is "
        "now. People who would get it: %(people)s.",
        "See what changed, and mend the translation.",
    ),
    FindingCode.EDITION_UNDISCREET: Words(
        "The edition in %(language)s has no discreet subject.",
        "Write one that a stranger may read on a locked screen.",
    ),
    FindingCode.EDITION_FAULT: Words("The text has a fault: %(problem)s.", "%(remedy)s."),
    FindingCode.LETTERS: Words(
        "A letter may not be what it looks like: %(problem)s.", "%(remedy)s."
    ),
    FindingCode.CATALOG_LACKS: Words("A fixed phrase is missing: %(problem)s.", "%(remedy)s."),
    FindingCode.PICTURE_SILENT: Words(
        "Who does not see it is told nothing: %(problem)s.", "%(remedy)s."
    ),
    FindingCode.PICTURE_FILE_NAME: Words(
        'The text for who does not see the picture "%(picture)s" is the name of a file: '
        '"%(alternative)s".',
        "Say what it shows.",
    ),
    FindingCode.PICTURE_EMPTY_WORDS: Words(
        'The text for who does not see the picture "%(picture)s" says only that there is one: '
        '"%(alternative)s".',
        "Say what it shows.",
    ),
    FindingCode.PICTURE_REPEATED: Words(
        "Several pictures have the same text for who does not see them: %(pictures)s.",
        "Say of each what it shows.",
    ),
    FindingCode.UNKNOWN_VARIABLE: Words(
        "A variable is named that nobody fills: %(problem)s.", "%(remedy)s."
    ),
    FindingCode.TEMPLATE_FAULT: Words("The mail template has a fault: %(problem)s.", "%(remedy)s."),
    FindingCode.MAIL_FAULT: Words("The mail has a fault: %(problem)s.", "%(remedy)s."),
    FindingCode.HEADER_UNFIT: Words("A header cannot be written: %(problem)s.", "%(remedy)s."),
    FindingCode.MAIL_UNMADE: Words("The mail cannot be made: %(problem)s.", "%(remedy)s."),
    FindingCode.MAIL_CLIPPED: Words(
        "The mail in %(language)s has %(kilobytes)s kB of HTML. Gmail clips it at 102 kB, and "
        "hides the link to unsubscribe.",
        "Shorten it, and link to the whole text.",
    ),
    FindingCode.MAIL_HEAVY: Words(
        "The mail in %(language)s has %(kilobytes)s kB with its pictures: some servers refuse it, "
        "and it takes long on a slow line.",
        "Leave pictures out, or make them smaller.",
    ),
    FindingCode.UNSUBSCRIBE_HEADER: Words(
        "The mail in %(language)s lacks the header by which mail programs unsubscribe.",
        "Tell those who run the program: no mail may be without it.",
    ),
    FindingCode.UNSUBSCRIBE_LINK: Words(
        "The mail in %(language)s lacks the link to unsubscribe in its %(part)s part.",
        "Put the link into the template, outside of what is shown to some only.",
    ),
    FindingCode.TEXT_PALE: Words(
        "Text is too pale in the %(scheme)s style: %(element)s has %(color)s on %(ground)s, a "
        "contrast of %(ratio)s where %(wanted)s is needed.",
        "Take a darker or a lighter color.",
    ),
    FindingCode.NOT_LIVE: Words(
        "The workspace is not live: this is a rehearsal, and the sandbox takes all mails.",
        "When everything is ready, set live = true in config.toml.",
    ),
    FindingCode.SENDING_UNREADY: Words("Nothing can be sent: %(problem)s.", "%(remedy)s."),
    FindingCode.RELAY_UNVERIFIED: Words(
        'The relay "%(relay)s" has not been verified as it stands.',
        "Run: mailer relay verify %(relay)s.",
    ),
    FindingCode.DOMAIN_NOT_ASKED: Words(
        "Nobody has asked the DNS yet about the domains of the sender (%(domain)s).", _ASK_DOMAIN
    ),
    FindingCode.DOMAIN_ASKED_LONG_AGO: Words(
        "The DNS was asked about %(domain)s last on %(asked)s.", _ASK_DOMAIN
    ),
    FindingCode.DOMAIN_WRONG: Words(
        "%(subject)s of the sender's domain is not as it should be: %(problem)s (asked on "
        "%(asked)s).",
        "%(remedy)s.",
    ),
    FindingCode.DOMAIN_OFFLINE: Words(
        "When it was asked on %(asked)s, the DNS did not answer everything about %(domain)s: this "
        "machine may have been off-line. It says nothing about: %(subjects)s.",
        "Check the network of this machine, and ask again.",
    ),
    FindingCode.LINKS_NOT_ASKED: Words(
        "%(count)s link has not been looked at yet.",
        _ASK_LINKS,
        "%(count)s links have not been looked at yet.",
        "count",
    ),
    FindingCode.LINKS_ASKED_LONG_AGO: Words(
        "The links were looked at last on %(asked)s.", _ASK_LINKS
    ),
    FindingCode.LINK_LEADS_ON: Words(
        "%(address)s sends readers on to %(target)s (%(status)s, asked on %(asked)s).",
        "Link to the page itself, if it is the one that is meant.",
    ),
    FindingCode.LINK_GONE: Words(
        "There is no page at %(address)s (asked on %(asked)s).", "Mend the link, or take it out."
    ),
    FindingCode.LINK_CLOSED: Words(
        "%(address)s does not show its page to programs (%(status)s, asked on %(asked)s).",
        "Open it in a browser.",
    ),
    FindingCode.LINK_FAILING: Words(
        "The server of %(address)s failed (%(status)s, asked on %(asked)s).",
        "Open it in a browser, and ask again later.",
    ),
    FindingCode.LINK_SILENT: Words(
        "Nobody answered at %(address)s in time (asked on %(asked)s).",
        "Open it in a browser, and ask again later.",
    ),
    FindingCode.LINK_UNTRUSTED: Words(
        "The certificate of %(address)s is not valid (asked on %(asked)s): browsers warn of it.",
        "Tell those who run the site, or link to another page.",
    ),
    FindingCode.LINK_PRIVATE: Words(
        "%(address)s leads into a private network, or to where no page is: readers cannot open it.",
        "Mend the link, or take it out.",
    ),
    FindingCode.LINK_OFFLINE: Words(
        "%(address)s could not be looked at on %(asked)s: this machine may have been off-line.",
        "Check the network of this machine, and ask again.",
    ),
    FindingCode.HOUR_PASSED: Words(
        "%(hour)s %(zone)s has passed: the mailing starts at once.",
        "Name a later hour if that is not meant.",
    ),
    FindingCode.HOUR_TOO_LATE: Words(
        "%(hour)s %(zone)s has passed longer ago than the mailing may be late: %(minutes)s minutes.",
        "Name an hour to come.",
    ),
    FindingCode.QUIET_DAY: Words("%(day)s is a quiet day.", "Name another day, if there is time."),
    FindingCode.CLASH: Words(
        "%(mailing)s goes to %(list)s on the same day, %(day)s at %(hour)s.",
        "Name another day, so that nobody gets two mails on one.",
    ),
    FindingCode.DEADLINE_PASSED: Words(
        "When the mails go, the last day of the appeal has passed: %(deadline)s.",
        "Write a later one and load the statement again, or let it be.",
    ),
    FindingCode.NOBODY: Words(
        "Nobody on %(lists)s would be mailed.", "See who is left out, and why."
    ),
    FindingCode.PEOPLE_WITHOUT_EDITION: Words(
        "%(count)s person is not mailed: there is no edition that they read.",
        "Add an edition in their language.",
        "%(count)s people are not mailed: there is no edition that they read.",
        "people",
    ),
    FindingCode.PEOPLE_DISCREET: Words(
        "%(count)s person is not mailed: they are marked discreet, for which there is no mail yet.",
        "",
        "%(count)s people are not mailed: they are marked discreet, for which there is no mail yet.",
        "people",
    ),
}


def say(finding: Finding, speaker: Speaker = ENGLISH) -> Said:
    """Return a finding in words.

    Args:
        finding: as `preflight` gives it.
        speaker: English, or a catalog that has every phrase of `phrases`.
    """
    words, values = WORDS[finding.code], dict(finding.values)
    if words.plural:
        text = speaker.plural(words.text, words.plural, int(values[words.counted]), **values)
    else:
        text = speaker.phrase(words.text, **values)
    # A fault that says no remedy leaves none.
    has_remedy = words.remedy and values.get("remedy") != ""
    return Said(text, speaker.phrase(words.remedy, **values) if has_remedy else "")


def phrases() -> Iterator[tuple[str, str]]:
    """Yield every phrase that a catalog of the desk needs: msgid, and plural msgid or ""."""
    for words in WORDS.values():
        yield words.text, words.plural
        if words.remedy:
            yield words.remedy, ""
