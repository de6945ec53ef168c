"""`[feedback.hooks.<key>]` of `config.toml`: one provider that tells what becomes of mails.

In: a table of the file as the TOML parser gives it. Out: a `HookSection` that says all its kind
needs, and nothing that another kind does.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import Field, model_validator

from mailer.config.imap import ImapSection
from mailer.config.relay import Section
from mailer.config.values import FilePath, HeaderName, Key, Row, TopicArn, Username
from mailer.model.feedback_policy import SoftLimits

#: Kind → the keys that are for it. A kind of another package has `settings` of its own.
_KEYS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "ses": frozenset({"topics"}),
        "postmark": frozenset({"secret_file", "secret_env", "username", "header"}),
        "mailgun": frozenset({"secret_file", "secret_env"}),
    }
)
_KEYS_OF_OTHERS = frozenset({"secret_file", "secret_env", "settings"})


class HookSection(Section):
    """`[feedback.hooks.<key>]`: a webhook, which answers at /hooks/<key>."""

    #: "ses", "postmark", "mailgun", or the name under which another package brings one.
    kind: Key
    #: ARNs of the topics of Amazon SNS that are believed.
    topics: Row[TopicArn] = ()
    #: The file or environment variable with the password of Postmark's, or Mailgun's signing key.
    secret_file: FilePath = ""
    secret_env: str = ""
    #: The secret is the password of this user, or the value of this header field.
    username: Username = ""
    header: HeaderName = ""
    #: What a hook of another package wants to know.
    settings: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_keys(self) -> HookSection:
        known = _KEYS.get(self.kind, _KEYS_OF_OTHERS)
        for name in ("topics", "secret_file", "secret_env", "username", "header", "settings"):
            if getattr(self, name) and name not in known:
                raise ValueError(f'{name} is not for kind = "{self.kind}"')
        if self.secret_file and self.secret_env:
            raise ValueError("the secret comes from secret_file or secret_env, not both")
        return self

    @model_validator(mode="after")
    def _check_proof(self) -> HookSection:
        if self.kind == "ses" and not self.topics:
            raise ValueError('kind = "ses" needs topics')
        if self.kind in ("postmark", "mailgun") and not (self.secret_file or self.secret_env):
            raise ValueError(f'kind = "{self.kind}" needs secret_file or secret_env')
        if self.kind == "postmark" and bool(self.username) == bool(self.header):
            raise ValueError('kind = "postmark" needs username or header, one of them')
        return self


class FeedbackSection(Section):
    """`[feedback]`: what comes back of mails."""

    #: A mail server hands what comes to the domains of return paths to `mailer feedback`.
    pipe: bool = False
    #: Soft bounces on so many different days suppress an address.
    soft_bounces: Annotated[int, Field(ge=2, le=100)] = 3
    #: Within so many days.
    soft_window_days: Annotated[int, Field(ge=1, le=365)] = 30
    #: Folder of a Maildir in which it comes in; "" for none.
    maildir: FilePath = ""
    #: The mailbox in which it comes in; None for none.
    imap: ImapSection | None = None
    #: By the last part of their address.
    hooks: dict[Key, HookSection] = Field(default_factory=dict)

    @property
    def takes_mail(self) -> bool:
        """Return whether what is mailed to the domains of return paths is read."""
        return self.pipe or self.is_watched

    @property
    def soft_limits(self) -> SoftLimits:
        """Return how many soft bounces are too many."""
        return SoftLimits(self.soft_bounces, self.soft_window_days)

    @property
    def is_watched(self) -> bool:
        """Return whether there is a place from which messages are fetched."""
        return bool(self.maildir or self.imap)
