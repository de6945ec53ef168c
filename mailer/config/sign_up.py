"""`[sign_up]` of `config.toml`: which lists people may put themselves on, and what they agree to.

In: a table of the file as the TOML parser gives it. Out: a `SignUpSection`, off while it names no
list.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from mailer.config.relay import Section
from mailer.config.values import Key, Names, Row

#: It stands in the form and on record, and so is one plain word.
_VERSION = re.compile(r"[A-Za-z0-9._-]{0,80}")


def _version(value: str) -> str:
    if not _VERSION.fullmatch(value):
        raise ValueError("use up to 80 letters, digits, dots, hyphens and underscores")
    return value


class SignUpSection(Section):
    """`[sign_up]`."""

    #: Keys of the lists that the form offers, in this order; empty: there is no form.
    lists: Row[Key] = ()
    #: Names the wording below; whoever changes that gives it another.
    consent_version: Annotated[str, AfterValidator(_version)] = ""
    #: What people agree to, by language: the form speaks these and no others.
    consent: Names = Field(default_factory=dict)
    #: Confirmations in an hour, all addresses together.
    most_per_hour: Annotated[int, Field(ge=1, le=100_000)] = 500

    @model_validator(mode="after")
    def _check_consent(self) -> SignUpSection:
        if self.lists and not (self.consent_version and self.consent):
            raise ValueError("needs consent_version, and what people agree to under consent")
        if len(set(self.lists)) < len(self.lists):
            raise ValueError("lists names one twice")
        return self
