"""`[feedback.imap]` of `config.toml`: the mailbox at a provider to which what comes back goes.

In: a table of the file as the TOML parser gives it. Out: an `ImapSection` that can be logged in to.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from mailer.config.relay import LOOPBACK_HOSTS, Section
from mailer.config.values import FilePath, FolderName, Host, Login, RelayPort

#: RFC 8314 §7.3: of IMAP inside TLS from the first octet on.
_IMPLICIT_PORT = 993


class ImapSection(Section):
    """`[feedback.imap]`: a mailbox that is read and tidied."""

    host: Host
    port: RelayPort = _IMPLICIT_PORT
    #: "implicit", "starttls", or "none", which only a server on this machine may have.
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    username: Login
    password_file: FilePath = ""
    password_env: str = ""
    #: Where mail comes in.
    folder: FolderName = "INBOX"
    #: Where it goes once it was dealt with, and where what could not be read goes.
    processed: FolderName = "Processed"
    unread: FolderName = "Unread"
    #: How often is looked, in seconds.
    poll_s: Annotated[float, Field(ge=1, le=86_400)] = 60.0

    @model_validator(mode="after")
    def _check_tls(self) -> ImapSection:
        if self.tls == "none" and self.host not in LOOPBACK_HOSTS:
            raise ValueError('tls = "none" is for a server on this machine only')
        if self.tls == "starttls" and self.port == _IMPLICIT_PORT:
            raise ValueError('port 993 is for tls = "implicit"; with "starttls" it is 143')
        return self

    @model_validator(mode="after")
    def _check_login(self) -> ImapSection:
        if bool(self.password_file) == bool(self.password_env):
            raise ValueError("the password comes from password_file or password_env, one of them")
        return self

    @model_validator(mode="after")
    def _check_folders(self) -> ImapSection:
        if len({self.folder, self.processed, self.unread}) < 3:
            raise ValueError("folder, processed and unread are three different ones")
        return self
