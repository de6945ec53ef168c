"""Read `config.toml` of a workspace, all its problems at once.

In: a workspace folder. Out: a `Config`, whose paths are absolute and whose secrets are read from
files or the environment at the moment they are needed and never printed.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from mailer.model.characters import unwanted_character
from mailer.model.faults import Fault, FaultsFound
from mailer.model.mailing import DkimKey, Sender

CONFIG_FILE = "config.toml"
_KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
#: Leaves room for the local part within 254 octets.
_LONGEST_DOMAIN = 180
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def _key(value: str) -> str:
    if not _KEY.fullmatch(value):
        raise ValueError("use lower-case letters, digits and single hyphens")
    return value


def _address(value: str) -> str:
    try:
        checked = validate_email(value, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        # The library's text may quote the address; the key name is enough to find it.
        raise ValueError("is not a valid mail address") from error
    if checked.ascii_email is None:
        raise ValueError("needs an ASCII local part")
    return checked.ascii_email


def _optional_address(value: str) -> str:
    return _address(value) if value else ""


def _base_url(value: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9._~\-/]*)?", value):
        raise ValueError("is not a web address like https://mail.example.org")
    return value.rstrip("/")


def _domain(value: str) -> str:
    try:
        domain = value.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise ValueError("is not a domain name") from error
    # RFC 1035 §2.3.1: letters, digits and hyphens, at most 63 in a label.
    if not re.fullmatch(rf"{_LABEL}(\.{_LABEL})+", domain) or len(domain) > _LONGEST_DOMAIN:
        raise ValueError("is not a domain name like bounces.example.org")
    return domain


def _local_part(value: str) -> str:
    # RFC 5321 §4.5.3.1.1: 64 octets, of which the token and its plus sign take 41.
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,21}[A-Za-z0-9])?", value):
        raise ValueError("use up to 23 letters, digits, dots and hyphens")
    return value


def _names(value: dict[str, str]) -> dict[str, str]:
    for language, name in value.items():
        unwanted = unwanted_character(name)
        if unwanted:
            raise ValueError(f"holds {unwanted} in {language}: delete it")
        if not name.strip():
            raise ValueError(f"has no text in {language}")
    return value


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("is not an IANA time zone like Europe/Chisinau")
    return value


Key = Annotated[str, AfterValidator(_key)]
Address = Annotated[str, AfterValidator(_address)]
OptionalAddress = Annotated[str, AfterValidator(_optional_address)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
Names = Annotated[dict[str, str], AfterValidator(_names)]
LocalPart = Annotated[str, AfterValidator(_local_part)]
Domain = Annotated[str, AfterValidator(_domain)]
Zone = Annotated[str, AfterValidator(_zone)]
Port = Annotated[int, Field(ge=0, le=65535)]


class _Section(BaseModel):
    """A table of the file: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class WorkspaceSection(_Section):
    """`[workspace]`."""

    #: Shown in the terminal.
    name: str = "Mailer"
    #: False: the sandbox takes every mail.
    live: bool = False
    #: Who may get test sends and alerts before `live`.
    staff: tuple[Address, ...] = ()
    #: Folder of database, journals and reject files, below the workspace.
    data: str = "data"
    #: Zone in which the command line shows hours.
    time_zone: Zone = "UTC"

    @field_validator("staff", mode="before")
    @classmethod
    def _list_to_tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value


class DatabaseSection(_Section):
    """`[database]`."""

    #: SQLAlchemy address; SQLite paths are relative to the workspace.
    url: str = "sqlite:///data/mailer.db"
    #: Environment variable that holds the address instead, for PostgreSQL with a password.
    url_env: str = ""


class KeysSection(_Section):
    """`[keys]`."""

    seal: str = "seal.key"
    service: str = "service.key"


class WebSection(_Section):
    """`[web]`: the public pages."""

    #: What links in mails begin with.
    base_url: BaseUrl = "http://127.0.0.1:8025"
    host: str = "127.0.0.1"
    port: Port = 8025


class SandboxSection(_Section):
    """`[sandbox]`: the built-in SMTP catcher, always on loopback."""

    smtp_port: Port = 8026
    #: The inbox answers here and never under base_url.
    inbox_port: Port = 8027
    #: Most mails kept in memory; older ones are forgotten.
    keep: Annotated[int, Field(ge=1, le=100_000)] = 5_000
    #: Refuse, defer and drop some addresses by their local part, to see every outcome.
    misbehave: bool = False


class OrganisationSection(_Section):
    """`[[organisations]]`: who owns lists of people."""

    key: Key
    name: Names


class DkimSection(_Section):
    """`[[senders.dkim]]`: one signature."""

    domain: Domain
    selector: str
    key_file: str


class SenderSection(_Section):
    """`[[senders]]`: who a mailing comes from."""

    key: Key
    organisation: Key
    name: Names
    address: Address
    reply_to: OptionalAddress = ""
    #: Where this sender's links lead; the public pages' base_url when empty.
    base_url: str = ""
    return_path_domain: Domain
    return_path_local: LocalPart = "b"
    dkim: tuple[DkimSection, ...] = ()

    @field_validator("dkim", mode="before")
    @classmethod
    def _list_to_tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, value: str) -> str:
        return _base_url(value) if value else ""


class RelaySection(_Section):
    """`[[relays]]`: the SMTP server that takes our mail once the workspace is live."""

    key: Key
    host: str
    port: Port = 587
    #: "starttls", "implicit", or "none", which only a relay on loopback may have.
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    username: str = ""
    password_file: str = ""
    password_env: str = ""
    #: "mailer" when we sign, "relay" when it does.
    signs: Literal["mailer", "relay"] = "mailer"
    #: Each delivery has a return path of its own; no relay that wants another is supported yet.
    return_path: Literal["verp"] = "verp"
    connections: Annotated[int, Field(ge=1, le=100)] = 4
    messages_per_connection: Annotated[int, Field(ge=1)] = 500
    #: Name we greet with; neutral by default.
    ehlo: str = "localhost"

    @model_validator(mode="after")
    def _check_tls(self) -> RelaySection:
        if self.tls == "none" and self.host not in _LOOPBACK:
            raise ValueError('tls = "none" is for a relay on this machine only')
        if self.username and not (self.password_file or self.password_env):
            raise ValueError("username needs password_file or password_env")
        return self


class DeliverySection(_Section):
    """`[delivery]`."""

    #: Connections to the sandbox.
    sandbox_connections: Annotated[int, Field(ge=1, le=100)] = 4
    #: First pause after a 4yz reply; later ones grow.
    first_retry_s: Annotated[float, Field(gt=0)] = 600.0
    #: Longest pause between attempts.
    longest_retry_s: Annotated[float, Field(gt=0)] = 21_600.0
    #: A delivery this old is refused instead of tried again.
    give_up_after_h: Annotated[float, Field(gt=0)] = 96.0
    #: What a stopping sender waits for final replies.
    shutdown_grace_s: Annotated[float, Field(ge=0)] = 20.0


class ScheduleSection(_Section):
    """`[schedule]`."""

    #: A mailing later than this is held for a person.
    grace_s: Annotated[int, Field(ge=1)] = 7_200


class Config(_Section):
    """The whole file, with the workspace it belongs to."""

    workspace: WorkspaceSection = WorkspaceSection()
    database: DatabaseSection = DatabaseSection()
    keys: KeysSection = KeysSection()
    web: WebSection = WebSection()
    sandbox: SandboxSection = SandboxSection()
    delivery: DeliverySection = DeliverySection()
    schedule: ScheduleSection = ScheduleSection()
    organisations: tuple[OrganisationSection, ...] = ()
    senders: tuple[SenderSection, ...] = ()
    relays: tuple[RelaySection, ...] = ()
    #: The workspace's folder; not a key of the file.
    root: Path = Path()

    @property
    def data_dir(self) -> Path:
        """Return the folder of database, journals and reject files."""
        return self.root / self.workspace.data

    @property
    def journal_dir(self) -> Path:
        """Return the folder of the senders' journals."""
        return self.data_dir / "journal"

    @property
    def lists_dir(self) -> Path:
        """Return the folder of list and segment files."""
        return self.root / "lists"

    @property
    def templates_dir(self) -> Path:
        """Return the folder of statements, mail templates and catalogs."""
        return self.root / "templates"

    @property
    def seal_key_path(self) -> Path:
        """Return where the sealing keys are."""
        return self.root / self.keys.seal

    @property
    def service_key_path(self) -> Path:
        """Return where the digest and token keys are."""
        return self.root / self.keys.service

    @property
    def database_url(self) -> str:
        """Return SQLAlchemy's address of the database, SQLite paths made absolute."""
        if self.database.url_env:
            return os.environ.get(self.database.url_env, "")
        prefix = "sqlite:///"
        url = self.database.url
        if url.startswith(prefix) and not url.startswith(prefix + "/"):
            return f"{prefix}{(self.root / url.removeprefix(prefix)).resolve()}"
        return url

    def sender(self, key: str) -> Sender | None:
        """Return the sender of that key as a mailing pins it; None when there is none."""
        for section in self.senders:
            if section.key == key:
                return Sender(
                    key=section.key,
                    organisation=section.organisation,
                    name=dict(section.name),
                    address=section.address,
                    reply_to=section.reply_to,
                    base_url=section.base_url or self.web.base_url,
                    return_path_domain=section.return_path_domain,
                    return_path_local=section.return_path_local,
                    dkim=tuple(
                        DkimKey(key.domain, key.selector, str(self.root / key.key_file))
                        for key in section.dkim
                    ),
                )
        return None

    def relay_password(self, relay: RelaySection) -> str:
        """Return the relay's password from its file or environment variable; "" when it has none.

        Raises:
            FaultsFound: when the file or variable is missing; the value is never in it.
        """
        if relay.password_env:
            value = os.environ.get(relay.password_env)
            if value:
                return value
            raise FaultsFound(
                [
                    Fault(
                        CONFIG_FILE,
                        0,
                        f"relays.{relay.key}.password_env",
                        f"the environment has no {relay.password_env}",
                        "Set it and start again",
                    )
                ]
            )
        if not relay.password_file:
            return ""
        try:
            return (self.root / relay.password_file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise FaultsFound(
                [
                    Fault(
                        CONFIG_FILE,
                        0,
                        f"relays.{relay.key}.password_file",
                        "the file cannot be read",
                        "Check its path and owner",
                    )
                ]
            ) from error


_REASONS = {
    "missing": "is missing",
    "extra_forbidden": "is not a key that config.toml knows",
    "literal_error": "is not one of the words allowed here",
}


def _dotted(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def line_of(text: str, location: tuple[int | str, ...]) -> int:
    """Find the line of a key well enough to send a person there; 0 when it is not in the file."""
    lines = text.splitlines()
    start = 0
    names = [part for part in location if isinstance(part, str)]
    if len(location) > 1 and names:
        index = next((part for part in location if isinstance(part, int)), 0)
        header = re.compile(rf"\s*\[+\s*{re.escape(names[0])}\s*\]+")
        found = [number for number, line in enumerate(lines) if header.match(line)]
        if index < len(found):
            start = found[index]
    if not names:
        return 0
    wanted = re.compile(rf"\s*{re.escape(names[-1])}\s*=")
    for number in range(start, len(lines)):
        if wanted.match(lines[number]):
            return number + 1
    return start + 1 if start else 0


def _cross_checks(config: Config) -> list[Fault]:
    faults: list[Fault] = []

    def fault(field: str, problem: str, remedy: str = "") -> None:
        faults.append(Fault(CONFIG_FILE, 0, field, problem, remedy))

    for name, rows in (
        ("organisations", config.organisations),
        ("senders", config.senders),
        ("relays", config.relays),
    ):
        keys = [row.key for row in rows]
        for key in sorted({key for key in keys if keys.count(key) > 1}):
            fault(f"{name}.{key}", "two have this key", "Give each its own")
    owners = {row.key for row in config.organisations}
    for sender in config.senders:
        if sender.organisation not in owners:
            fault(
                f"senders.{sender.key}.organisation",
                f'there is no organisation "{sender.organisation}"',
                "Add it under [[organisations]] or mend the key",
            )
        if not sender.name:
            fault(f"senders.{sender.key}.name", "has no language", 'Write name = { en = "…" }')
        for dkim in sender.dkim:
            if not (config.root / dkim.key_file).is_file():
                fault(
                    f"senders.{sender.key}.dkim",
                    f"there is no file {dkim.key_file}",
                    "Make the key or take the signature out",
                )
    if config.database.url_env and not os.environ.get(config.database.url_env):
        fault("database.url_env", f"the environment has no {config.database.url_env}", "Set it")
    if config.workspace.live and not config.relays:
        fault("workspace.live", "is true but there is no relay", "Add one under [[relays]]")
    return faults


def load_config(root: Path) -> Config:
    """Read `config.toml` of the workspace at `root`.

    Raises:
        FaultsFound: with every problem, each with key, line where known, and reason.
    """
    path = root / CONFIG_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FaultsFound(
            [
                Fault(
                    CONFIG_FILE,
                    0,
                    "",
                    f"cannot be read in {root}",
                    "Go to a workspace, name one with --workspace, or make one with `mailer init`",
                )
            ]
        ) from error
    except UnicodeDecodeError as error:
        raise FaultsFound([Fault(CONFIG_FILE, 0, "", "is not UTF-8", "Save it so")]) from error
    try:
        data: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+), column (\d+)", str(error))
        line, column = (int(found[1]), int(found[2])) if found else (0, 0)
        problem = str(error).split(" (at ")[0][0].lower() + str(error).split(" (at ")[0][1:]
        raise FaultsFound(
            [Fault(CONFIG_FILE, line, "", f"is not TOML: {problem}", "Mend that line", column)]
        ) from error
    for name in ("organisations", "senders", "relays"):
        if isinstance(data.get(name), list):
            data[name] = tuple(data[name])
    data.pop("root", None)
    try:
        config = Config.model_validate({**data, "root": root.resolve()})
    except ValidationError as error:
        raise FaultsFound(
            Fault(
                CONFIG_FILE,
                line_of(text, item["loc"]),
                _dotted(item["loc"]),
                _REASONS.get(item["type"], item["msg"].removeprefix("Value error, ")),
                "See config.example.toml" if item["type"] in _REASONS else "",
            )
            for item in error.errors(include_input=False, include_url=False)
        ) from error
    faults = _cross_checks(config)
    if faults:
        raise FaultsFound(faults)
    return config


def share_dir() -> Path:
    """Return where the templates, example lists and example config that ship with us are.

    In a wheel they lie inside the package; in a source tree beside it.
    """
    installed = Path(__file__).parent / "share"
    return installed if installed.is_dir() else Path(__file__).parent.parent
