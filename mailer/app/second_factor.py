"""Codes of authenticator apps: TOTP (RFC 6238) with six digits each half minute, SHA-1.

In: secrets, instants, what was typed. Out: which step a code belongs to. RFC 6238 §5.2: a code is
taken of this half minute and, since clocks differ, of the one before and the one after.
"""

from __future__ import annotations

import hmac
from datetime import datetime

import pyotp

from mailer.model.sign_in import TotpSetup

_STEP_S = 30


def setup_of(secret: str, login: str, issuer: str) -> TotpSetup:
    """Return what an app is given to make somebody's codes."""
    return TotpSetup(pyotp.TOTP(secret).provisioning_uri(name=login, issuer_name=issuer), secret)


def matching_step(secret: str, typed: str, now: datetime) -> int | None:
    """Return the step whose code was typed; None when it is of no step near this instant."""
    this = int(now.timestamp()) // _STEP_S
    totp = pyotp.TOTP(secret)
    typed_octets = _plain(typed).encode("utf-8", "surrogatepass")
    found = None
    # All three are compared, so that the time tells nothing.
    for step in (this - 1, this, this + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode("ascii"), typed_octets):
            found = step
    return found


def _plain(typed: str) -> str:
    return "".join(typed.split())
