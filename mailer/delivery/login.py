"""Log in to a relay: PLAIN, LOGIN and XOAUTH2, and the program that tells a token.

In: a connection that is encrypted or stays on this machine, a user name, a password or a token.
Out: the mechanism that the relay took, or why it took none, without anything secret.
Standards: RFC 4954 (AUTH), RFC 4616 (PLAIN), RFC 6750 (the form of a token).
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import aiosmtplib

from mailer.delivery.replies import parse_reply
from mailer.model.mailing import Reply
from mailer.programs import ProgramFailed, run_program

#: How long the program that tells a token may take, in seconds.
TOKEN_COMMAND_S = 15.0
#: So long a token is good for further connections; then the program is asked again, which knows
#: when it expires.
TOKEN_KEPT_S = 300.0
# RFC 5321 §4.5.3.1.4: a command has at most 512 octets with its CRLF.
_LONGEST_COMMAND = 510
# RFC 6750 §2.1: what a token is made of. A line of AUTH has 12,288 octets, a third of them base64's.
_TOKEN = re.compile(rb"[A-Za-z0-9._~+/=-]{1,8192}")
_STRUCK = "[secret]"


class Auth(StrEnum):
    """How a login is made."""

    #: PLAIN where the relay offers it, else LOGIN. Never CRAM-MD5, which is obsolete and no safer
    #: inside TLS, and wants the relay to keep passwords that can be read.
    AUTO = "auto"
    PLAIN = "plain"
    LOGIN = "login"
    #: OAuth 2, as Google and Microsoft take it: an access token instead of a password.
    XOAUTH2 = "xoauth2"


class LoginFailed(Exception):
    """There was no login; says why, without secrets."""

    def __init__(self, reason: str, code: int = 0, *, lasts: bool = True) -> None:
        self.reason = reason
        #: Of the relay's reply; 0 where the relay was not asked.
        self.code = code
        #: Whether it does not mend itself: staff have to do something.
        self.lasts = lasts
        super().__init__(reason)


@dataclass
class _Kept:
    value: str
    until_s: float


class TokenSource:
    """Tells the access token, by running a program; never prints or logs it."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._command = tuple(command)
        self._folder = folder
        self._kept: _Kept | None = None
        self._asking = asyncio.Lock()

    async def token(self) -> tuple[str, bool]:
        """Return the token, and whether it was asked for only now.

        Raises:
            LoginFailed: when the program fails or prints something else.
        """
        async with self._asking:
            now_s = asyncio.get_running_loop().time()
            if self._kept is not None and now_s < self._kept.until_s:
                return self._kept.value, False
            self._kept = None
            value = await asyncio.to_thread(self._ask)
            self._kept = _Kept(value, now_s + TOKEN_KEPT_S)
            return value, True

    def forget(self, value: str) -> None:
        """Ask for another token next time; this one was refused."""
        if self._kept is not None and self._kept.value == value:
            self._kept = None

    def _ask(self) -> str:
        try:
            printed = run_program(self._command, self._folder, TOKEN_COMMAND_S, read=True).strip()
        except ProgramFailed as error:
            raise LoginFailed(f"token_command failed: {error.reason}") from None
        if not _TOKEN.fullmatch(printed):
            raise LoginFailed("token_command printed something else than one token")
        return printed.decode("ascii")


@dataclass(frozen=True, repr=False)
class Credentials:
    """Who we are to a relay; never printed, since it holds the password."""

    username: str
    password: str = ""
    auth: Auth = Auth.AUTO
    #: Tells the token instead of a password; for XOAUTH2, and for that alone.
    tokens: TokenSource | None = None


async def log_in(client: aiosmtplib.SMTP, credentials: Credentials) -> Auth:
    """Log in over a connection whose extensions were read; return the mechanism that was taken.

    Raises:
        LoginFailed: when the relay refuses us, offers no mechanism of ours, or there is no token.
        SMTPException: when the connection ends meanwhile.
    """
    secret, is_new = credentials.password, True
    if credentials.tokens is not None:
        secret, is_new = await credentials.tokens.token()
    try:
        return await _try_all(client, credentials, secret)
    except LoginFailed as error:
        if credentials.tokens is not None:
            credentials.tokens.forget(secret)
        if not is_new:
            # It may only be too old: the next connection has a new one, and says if that is refused.
            raise LoginFailed(error.reason, error.code, lasts=False) from None
        raise


async def _try_all(client: aiosmtplib.SMTP, credentials: Credentials, secret: str) -> Auth:
    wanted = (Auth.PLAIN, Auth.LOGIN) if credentials.auth is Auth.AUTO else (credentials.auth,)
    offered = [one for one in wanted if one.value in client.server_auth_methods]
    if not offered:
        ours = " and ".join(one.upper() for one in wanted)
        theirs = " ".join(
            one.upper() for one in client.server_auth_methods if re.fullmatch(r"[\w-]{1,20}", one)
        )
        raise LoginFailed(f"it offers {theirs or 'no login'}, and we would use {ours}")
    for mechanism in offered:
        reply = await _dialogue(client, mechanism, credentials.username, secret)
        if reply.code == 235:
            return mechanism
        # RFC 4954 §6, §4: another mechanism may do for 504, 534 and 538. A password that was refused
        # is not tried a second time: three wrong ones lock an account at some providers.
        if reply.code not in (504, 534, 538):
            break
    raise LoginFailed(f"{reply.code} {reply.text}".strip(), reply.code, lasts=reply.code >= 500)


async def _dialogue(client: aiosmtplib.SMTP, mechanism: Auth, username: str, secret: str) -> Reply:
    """Return the reply that ended the dialogue; nothing secret is in it."""
    lines = _lines(mechanism, username, secret)
    left = list(lines)
    command = [b"AUTH", mechanism.upper().encode()]
    # LOGIN names the user only when asked: not every relay takes the name with the command.
    # RFC 4954 §4: what would make the command too long waits for the relay's challenge.
    if mechanism is not Auth.LOGIN and len(b" ".join([*command, left[0]])) <= _LONGEST_COMMAND:
        command.append(left.pop(0))
    said = await client.execute_command(*command)
    while said.code == 334:
        # RFC 4954 §4: a star gives up, where the relay asks for more than there is to say.
        said = await client.execute_command(left.pop(0) if left else b"*")
    text = said.message
    for one in (secret, *(line.decode() for line in lines)):
        # Some relays repeat a command that they do not understand.
        text = text.replace(one, _STRUCK) if one else text
    return parse_reply(said.code, text)


def _lines(mechanism: Auth, username: str, secret: str) -> list[bytes]:
    match mechanism:
        case Auth.LOGIN:
            said = [username, secret]
        case Auth.XOAUTH2:
            # To a challenge that tells of an error the answer is empty; then comes the refusal.
            said = [f"user={username}\x01auth=Bearer {secret}\x01\x01", ""]
        case _:
            # RFC 4616 §2: nobody to act for, who we are, the password.
            said = [f"\0{username}\0{secret}"]
    return [base64.b64encode(one.encode()) for one in said]
