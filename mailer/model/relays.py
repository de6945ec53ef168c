"""What is known of relays: who signs, what they do to a mail, how a report finds its delivery.

In: nothing. Out: `RelayProfile` by name, and `RelayHandling`, what a relay asks of the mails it is
handed. Everything in a profile is a default that `[[relays]]` may override; what could not be
confirmed in a provider's own documentation is not in it, see docs/relays.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Signs(StrEnum):
    """Who makes the DKIM signature."""

    #: We do, with the sender's keys.
    MAILER = "mailer"
    #: The relay does.
    RELAY = "relay"


class ReturnPath(StrEnum):
    """What MAIL FROM is."""

    #: Each delivery has its own address, by which a bounce finds it.
    VERP = "verp"
    #: One mailbox per sender, which a person or a program reads.
    FIXED = "fixed"
    #: The relay sets its own; we say the From address, which it knows.
    RELAY = "relay"


class MatchKey(StrEnum):
    """By what a report that comes back finds its delivery."""

    #: The token in the return path.
    VERP = "verp"
    #: Our Message-ID, which the relay leaves as it is.
    MESSAGE_ID = "message-id"
    #: The id that the relay gives in its reply to the content.
    REPLY = "reply"


class ProfileName(StrEnum):
    """A kind of relay that is known."""

    #: A mail server of one's own.
    POSTFIX = "postfix"
    SES = "ses"
    MAILGUN = "mailgun"
    POSTMARK = "postmark"
    BREVO = "brevo"
    GOOGLE = "google"
    MICROSOFT = "microsoft"
    #: Any other server that takes mail as it is.
    PLAIN = "plain"


@dataclass(frozen=True)
class RelayProfile:
    """What holds of a kind of relay unless config.toml says otherwise."""

    name: ProfileName
    #: "" where it differs from customer to customer.
    host: str = ""
    port: int = 587
    tls: str = "starttls"
    signs: Signs = Signs.MAILER
    return_path: ReturnPath = ReturnPath.VERP
    match: MatchKey = MatchKey.VERP
    #: Header fields that switch tracking off; they are always sent to this relay, and only to it.
    tracking_off: Mapping[str, str] = field(default_factory=dict)
    #: Header fields that the relay writes anew.
    replaces: frozenset[str] = frozenset()
    #: What SPF of the return path's domain includes; "" where the relay uses its own domain.
    spf_include: str = ""
    #: It leaves the From address as the return path, so that its domain's SPF counts.
    keeps_from: bool = False
    #: What the provider is known to take, in words; "" when nothing is known.
    limits: str = ""
    #: Its DKIM records are CNAMEs that the provider's page shows.
    dkim_by_provider: bool = False


PROFILES: Mapping[ProfileName, RelayProfile] = {
    one.name: one
    for one in (
        RelayProfile(ProfileName.PLAIN),
        RelayProfile(ProfileName.POSTFIX, host="127.0.0.1", port=25, tls="none"),
        RelayProfile(
            ProfileName.SES,
            signs=Signs.RELAY,
            return_path=ReturnPath.RELAY,
            match=MatchKey.REPLY,
            # Its page on header fields: both are overwritten with its own.
            replaces=frozenset({"Date", "Message-ID"}),
            spf_include="amazonses.com",
            dkim_by_provider=True,
        ),
        RelayProfile(
            ProfileName.MAILGUN,
            host="smtp.mailgun.org",
            signs=Signs.RELAY,
            return_path=ReturnPath.RELAY,
            match=MatchKey.MESSAGE_ID,
            tracking_off={
                "X-Mailgun-Track": "no",
                "X-Mailgun-Track-Clicks": "no",
                "X-Mailgun-Track-Opens": "no",
            },
            spf_include="mailgun.org",
            dkim_by_provider=True,
        ),
        RelayProfile(
            ProfileName.POSTMARK,
            host="smtp.postmarkapp.com",
            signs=Signs.RELAY,
            return_path=ReturnPath.RELAY,
            match=MatchKey.REPLY,
            tracking_off={"X-PM-TrackOpens": "false", "X-PM-TrackLinks": "None"},
            replaces=frozenset({"Message-ID"}),
            dkim_by_provider=True,
        ),
        RelayProfile(
            ProfileName.BREVO,
            host="smtp-relay.brevo.com",
            signs=Signs.RELAY,
            return_path=ReturnPath.RELAY,
            match=MatchKey.REPLY,
            replaces=frozenset({"Message-ID"}),
            dkim_by_provider=True,
        ),
        RelayProfile(
            ProfileName.GOOGLE,
            host="smtp-relay.gmail.com",
            signs=Signs.RELAY,
            return_path=ReturnPath.FIXED,
            match=MatchKey.MESSAGE_ID,
            spf_include="_spf.google.com",
            limits="10,000 recipients a day for each user",
            dkim_by_provider=True,
        ),
        RelayProfile(
            ProfileName.MICROSOFT,
            host="smtp.office365.com",
            signs=Signs.RELAY,
            return_path=ReturnPath.RELAY,
            match=MatchKey.MESSAGE_ID,
            spf_include="spf.protection.outlook.com",
            keeps_from=True,
            limits="30 mails a minute, 10,000 recipients a day",
            dkim_by_provider=True,
        ),
    )
}


@dataclass(frozen=True)
class RelayHandling:
    """What a relay asks of the mails it is handed."""

    return_path: ReturnPath = ReturnPath.VERP
    #: Name and value of header fields for the relay itself: tracking off, a stream, a set.
    headers: tuple[tuple[str, str], ...] = ()


#: What a relay that takes every mail as it is asks for: nothing.
AS_IT_IS = RelayHandling()


@dataclass(frozen=True)
class SenderChoice:
    """Whose mailings one relay takes."""

    #: Keys of senders.
    keys: frozenset[str]
    #: All senders but these, and not these: also one that is gone from config.toml.
    others: bool = False


EVERY_SENDER = SenderChoice(frozenset(), others=True)
