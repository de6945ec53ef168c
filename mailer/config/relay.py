"""`[[relays]]` of `config.toml`: one SMTP server, its profile, and what is written beside it.

In: a table of the file as the TOML parser gives it. Out: a `RelaySection` whose keys are all known,
those of its profile where nothing was written.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mailer.config.values import (
    FilePath,
    Greeting,
    Host,
    Key,
    OptionalDomain,
    PerSecond,
    RelayHeaders,
    RelayPort,
    Row,
)
from mailer.model.pacing import DailyCap
from mailer.model.relays import PROFILES, ProfileName, RelayHandling, RelayProfile, ReturnPath

#: The hosts that are this machine, whatever listens there.
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


class Section(BaseModel):
    """A table of the file: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class RelaySection(Section):
    """`[[relays]]`: the SMTP server that takes our mail once the workspace is live."""

    key: Key
    #: Gives the other keys their defaults, see docs/relays.md.
    profile: Literal[
        "plain", "postfix", "ses", "mailgun", "postmark", "brevo", "google", "microsoft"
    ] = "plain"
    host: Host
    port: RelayPort = 587
    #: "starttls", "implicit", or "none", which only a relay on loopback may have.
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    username: str = ""
    password_file: FilePath = ""
    password_env: str = ""
    #: How the login is made. "auto": PLAIN where the relay offers it, else LOGIN; "xoauth2": by a
    #: token that a program tells.
    auth: Literal["auto", "plain", "login", "xoauth2"] = "auto"
    #: The program that prints the token, with its arguments, without a shell.
    token_command: Row[str] = ()
    #: "mailer" when we sign, "relay" when it does.
    signs: Literal["mailer", "relay"] = "mailer"
    #: "verp": one of each delivery's own; "fixed": one per sender; "relay": the relay's own.
    return_path: Literal["verp", "fixed", "relay"] = "verp"
    #: Header fields for the relay itself, beside those that switch its tracking off.
    headers: RelayHeaders = {}
    connections: Annotated[int, Field(ge=1, le=100)] = 4
    messages_per_connection: Annotated[int, Field(ge=1)] = 500
    #: Mails a second, over all sender processes; 0: no limit.
    per_second: PerSecond = 0.0
    #: Mails a day, in the workspace's zone; 0: no limit.
    per_day: Annotated[int, Field(ge=0)] = 0
    #: The cap of the first day, the second, and so on, while an address is new to the providers.
    per_day_plan: Row[Annotated[int, Field(ge=1)]] = ()
    #: The first day of the plan.
    plan_from: date | None = None
    #: Name or address we greet with; neutral by default. An address is kept in brackets.
    ehlo: Greeting = "localhost"
    #: The public name of a mail server of one's own, for SPF, MX and PTR; "" when not known.
    greets_as: OptionalDomain = ""

    @model_validator(mode="before")
    @classmethod
    def _take_defaults(cls, data: Any) -> Any:  # noqa: ANN401  (What a TOML parser gives.)
        if not isinstance(data, dict) or data.get("profile") not in list(ProfileName):
            return data
        one = PROFILES[ProfileName(data["profile"])]
        defaults = {
            "host": one.host, "port": one.port, "tls": one.tls, "signs": one.signs.value,
            "return_path": one.return_path.value,
        }  # fmt: skip
        # A profile without a host of its own leaves it missing, as the fault will say.
        return {**{name: value for name, value in defaults.items() if value}, **data}

    @model_validator(mode="after")
    def _check_profile(self) -> RelaySection:
        fixed = {name.lower() for name in self.known.tracking_off}
        if fixed & {name.lower() for name in self.headers}:
            raise ValueError("headers names one that switches tracking off and is always sent")
        if self.signs == "mailer" and self.known.replaces:
            # RFC 6376 §5.4: a signature over a field that is written anew does not verify.
            written = " and ".join(sorted(self.known.replaces))
            raise ValueError(f'signs must be "relay": it writes {written} anew after we signed')
        return self

    @model_validator(mode="after")
    def _check_plan(self) -> RelaySection:
        if self.per_day_plan and self.plan_from is None:
            raise ValueError("per_day_plan needs plan_from, its first day, like 2026-12-01")
        if self.plan_from is not None and not self.per_day_plan:
            raise ValueError("plan_from needs per_day_plan, like [200, 500, 1000]")
        return self

    @property
    def cap(self) -> DailyCap:
        """Return how many mails a day it takes."""
        return DailyCap(self.per_day, self.per_day_plan, self.plan_from)

    @property
    def known(self) -> RelayProfile:
        """Return what is known of this kind of relay."""
        return PROFILES[ProfileName(self.profile)]

    @property
    def handling(self) -> RelayHandling:
        """Return what the relay asks of the mails it is handed."""
        headers = {**self.known.tracking_off, **self.headers}
        return RelayHandling(ReturnPath(self.return_path), tuple(sorted(headers.items())))

    @model_validator(mode="after")
    def _check_tls(self) -> RelaySection:
        if self.tls == "none" and self.host not in LOOPBACK_HOSTS:
            raise ValueError('tls = "none" is for a relay on this machine only')
        return self

    @model_validator(mode="after")
    def _check_login(self) -> RelaySection:
        has_password = bool(self.password_file or self.password_env)
        if self.password_file and self.password_env:
            raise ValueError("the password comes from password_file or password_env, not both")
        if self.auth == "xoauth2":
            if not self.username or not (self.token_command and self.token_command[0].strip()):
                raise ValueError('auth = "xoauth2" needs username and token_command')
            if has_password:
                raise ValueError('auth = "xoauth2" takes a token and no password')
            return self
        if self.token_command:
            raise ValueError('token_command is for auth = "xoauth2"')
        if self.username and not has_password:
            raise ValueError("username needs password_file or password_env")
        if self.auth != "auto" and not self.username:
            raise ValueError(f'auth = "{self.auth}" needs username')
        return self
