"""The sections of `config.toml`, with what each key may be and what holds when it is left out.

In: the tables of the file as the TOML parser gives them. Out: a `Config`, whose paths are absolute
and whose secrets are read from files or the environment at the moment they are needed and never
printed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from mailer.config.hooks import FeedbackSection
from mailer.config.relay import RelaySection, Section
from mailer.config.secrets import CONFIG_FILE as CONFIG_FILE
from mailer.config.secrets import read_secret
from mailer.config.sign_up import SignUpSection
from mailer.config.values import (
    Address,
    BaseUrl,
    CanaryText,
    DatabaseUrl,
    Domain,
    FilePath,
    Host,
    Key,
    LocalPart,
    Names,
    OptionalAddress,
    OptionalBaseUrl,
    OptionalKey,
    Percent,
    PerSecond,
    Port,
    QuietDayWords,
    Row,
    Seconds,
    Selector,
    Zone,
)
from mailer.model.breaker import SMALLEST_CANARY, Limits
from mailer.model.domain_classes import PROVIDERS
from mailer.model.faults import Fault, FaultsFound
from mailer.model.feedback import UNSUBSCRIBE_LOCAL_PART
from mailer.model.mailing import DkimKey, Sender
from mailer.model.pacing import UNLIMITED, Pace, Pacing

#: `domains` of the [[pacing]] that holds for every single domain.
EACH_DOMAIN = "each"
#: RFC 1035 §2.3.4: of a name in the DNS, as it is written.
_LONGEST_NAME = 253
#: More sender processes than this are a slip of the hand: one fills the line to nearly any relay.
MOST_SENDERS = 16
#: Whoever guesses the secret of a webhook can say of anybody that they complained.
_SHORTEST_SECRET = 16


class WorkspaceSection(Section):
    """`[workspace]`."""

    #: Shown in the terminal.
    name: str = "Mailer"
    #: False: the sandbox takes every mail.
    live: bool = False
    #: Who may get test sends and alerts before `live`.
    staff: Row[Address] = ()
    #: Folder of database, journals and reject files, below the workspace.
    data: FilePath = "data"
    #: Zone in which the command line shows hours.
    time_zone: Zone = "UTC"


class DatabaseSection(Section):
    """`[database]`."""

    #: SQLAlchemy address; SQLite paths are relative to the workspace.
    url: DatabaseUrl = "sqlite:///data/mailer.db"
    #: Environment variable that holds the address instead, for PostgreSQL with a password.
    url_env: str = ""


class KeysSection(Section):
    """`[keys]`."""

    seal: FilePath = "seal.key"
    service: FilePath = "service.key"

    @model_validator(mode="after")
    def _check_files(self) -> KeysSection:
        if self.seal == self.service:
            raise ValueError("seal and service are the same file")
        return self


class WebSection(Section):
    """`[web]`: the public pages."""

    #: What links in mails begin with; https once the workspace is live.
    base_url: BaseUrl = "http://127.0.0.1:8025"
    host: Host = "127.0.0.1"
    port: Port = 8025
    #: Where `/metrics` and `/healthz` answer, on loopback and never under base_url; 0: nowhere.
    metrics_port: Port = 0


class DeskSection(Section):
    """`[desk]`: the staff's pages."""

    #: False: nobody signs in, and nothing answers.
    enabled: bool = True
    #: What links to it begin with, https once the workspace is live; "" for http://host:port.
    base_url: OptionalBaseUrl = ""
    host: Host = "127.0.0.1"
    port: Port = 8029
    #: Who does nothing for so long is signed out.
    idle_minutes: Annotated[int, Field(ge=1, le=1_440)] = 60
    #: Who signed in so long ago signs in again, whatever they do.
    session_hours: Annotated[int, Field(ge=1, le=168)] = 12

    @property
    def address(self) -> str:
        """Return what links to the desk begin with."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.base_url or f"http://{host}:{self.port}"


class SandboxSection(Section):
    """`[sandbox]`: the built-in SMTP catcher, always on loopback."""

    smtp_port: Port = 8026
    #: The inbox answers here and never under base_url.
    inbox_port: Port = 8027
    #: Most mails kept in memory; older ones are forgotten.
    keep: Annotated[int, Field(ge=1, le=100_000)] = 5_000
    #: Refuse, defer and drop some addresses by their local part, to see every outcome.
    misbehave: bool = False


class OrganisationSection(Section):
    """`[[organisations]]`: who owns lists of people."""

    key: Key
    name: Names


class DkimSection(Section):
    """`[[senders.dkim]]`: one signature."""

    #: The From address's domain or one above it, or the signature would count for nothing.
    domain: Domain
    selector: Selector
    key_file: FilePath

    @model_validator(mode="after")
    def _check_length(self) -> DkimSection:
        # RFC 6376 §3.6.2.1: where the public key is looked up.
        if len(f"{self.selector}._domainkey.{self.domain}") > _LONGEST_NAME:
            raise ValueError("selector and domain are too long for one name in the DNS")
        return self


class SenderSection(Section):
    """`[[senders]]`: who a mailing comes from."""

    key: Key
    organisation: Key
    name: Names
    address: Address
    reply_to: OptionalAddress = ""
    #: Where this sender's links lead; the public pages' base_url when empty.
    base_url: OptionalBaseUrl = ""
    return_path_domain: Domain
    return_path_local: LocalPart = "b"
    #: The mailbox of return_path = "fixed"; `return_path_local` at `return_path_domain` when empty.
    return_path_address: OptionalAddress = ""
    #: The relays that take this sender's mails, in order; the first one alone when empty.
    relays: Row[Key] = ()
    dkim: Row[DkimSection] = ()

    @field_validator("return_path_local")
    @classmethod
    def _check_local_part(cls, value: str) -> str:
        if value == UNSUBSCRIBE_LOCAL_PART:
            raise ValueError(f'is "{value}", which people unsubscribe by; take another, like "b"')
        return value


class DeliverySection(Section):
    """`[delivery]`."""

    #: Sender processes of `mailer run`; `--senders` says otherwise.
    senders: Annotated[int, Field(ge=1, le=MOST_SENDERS)] = 1
    #: Connections to the sandbox.
    sandbox_connections: Annotated[int, Field(ge=1, le=100)] = 4
    #: First pause after a 4yz reply; later ones grow.
    first_retry_s: Seconds = 600.0
    #: Longest pause between attempts.
    longest_retry_s: Seconds = 21_600.0
    #: A delivery this old is refused instead of tried again.
    give_up_after_h: Annotated[float, Field(gt=0, le=8_760)] = 96.0
    #: What a stopping sender waits for final replies.
    shutdown_grace_s: Annotated[float, Field(ge=0, le=3_600)] = 20.0

    @model_validator(mode="after")
    def _check_pauses(self) -> DeliverySection:
        if self.longest_retry_s < self.first_retry_s:
            raise ValueError("longest_retry_s is shorter than first_retry_s")
        return self


class PacingSection(Section):
    """`[[pacing]]`: how fast one provider is mailed, by each relay."""

    #: A class of domains, or "each": every single domain that is in none.
    domains: str
    #: Mails under way at once, over all sender processes; 0: no limit.
    connections: Annotated[int, Field(ge=0, le=100)] = 0
    #: Mails a second, over all sender processes; 0: no limit.
    per_second: PerSecond = 0.0

    @field_validator("domains")
    @classmethod
    def _check_domains(cls, value: str) -> str:
        if value not in (*PROVIDERS, EACH_DOMAIN):
            known = ", ".join(f'"{one}"' for one in (*PROVIDERS, EACH_DOMAIN))
            raise ValueError(f"is not one of {known}")
        return value


class ScheduleSection(Section):
    """`[schedule]`."""

    #: A mailing later than this is held for a person.
    grace_s: Annotated[int, Field(ge=1, le=31_536_000)] = 7_200
    #: Days on which nothing scheduled goes out: "sat", "2026-12-25".
    quiet_days: QuietDayWords = ()


class BreakerSection(Section):
    """`[breaker]`: what mailings pin of the circuit breaker when they are scheduled."""

    #: So many mails go before the rest: "200", "5%", or "" for all at once.
    canary: CanaryText = ""
    #: What is waited after the last of them was tried, in seconds.
    canary_wait_s: Annotated[int, Field(ge=0, le=604_800)] = 600
    #: Beyond these shares, in percent, a mailing pauses by itself.
    refused_percent: Percent = 10.0
    spam_percent: Percent = 2.0
    bounced_percent: Percent = 10.0
    complained_percent: Percent = 0.3
    #: Fewer than so many of a kind are never beyond a limit; a canary must be able to reach it.
    at_least: Annotated[int, Field(ge=1, le=SMALLEST_CANARY)] = 6

    @property
    def limits(self) -> Limits:
        """Return the limits as a mailing pins them."""
        return Limits(
            refused_percent=self.refused_percent,
            spam_percent=self.spam_percent,
            bounced_percent=self.bounced_percent,
            complained_percent=self.complained_percent,
            at_least=self.at_least,
        )


class ApprovalSection(Section):
    """`[approval]`: how many must have read a mailing before it may be scheduled."""

    #: Each edition must be approved by so many who did not make the mailing; 0: nothing need be.
    required: Annotated[int, Field(ge=0, le=5)] = 0


class AlertsSection(Section):
    """`[alerts]`: how staff learn what should not wait."""

    #: Who is mailed; each is in `staff` of [workspace].
    addresses: Row[Address] = ()
    #: Key of the relay alerts go by, best not the one mailings go by; "" for the first.
    relay: OptionalKey = ""
    #: Key of the sender they come from; "" for the first.
    sender: OptionalKey = ""
    #: Program and arguments, given each alert as JSON on standard input; empty for none.
    command: Row[str] = ()
    #: The command is ended when it takes longer, in seconds.
    command_timeout_s: Annotated[float, Field(gt=0, le=60)] = 10.0
    #: Less room than this on the disk of the data folder, in megabytes, is an alert; 0: never.
    disk_low_mb: Annotated[int, Field(ge=0, le=100_000_000)] = 500

    @model_validator(mode="after")
    def _check_command(self) -> AlertsSection:
        if self.command and not self.command[0].strip():
            raise ValueError("command names no program")
        return self


Days = Annotated[int, Field(ge=1, le=36_500)]


class RetentionSection(Section):
    """`[retention]`: after how many days what is left of a mailing is cleared away."""

    #: Each SMTP transaction, after it; counts by relay and outcome stay.
    attempts_days: Days = 90
    #: Journals that are all in the database, which a restore may need.
    journal_days: Days = 90
    #: Who got a mailing, after it ended; counts stay.
    deliveries_days: Days = 400
    #: What came back as it came, in boxes; what it says is kept as long as deliveries.
    feedback_days: Days = 30
    #: Rows of imports that could not be taken, with the addresses in them.
    rejects_days: Days = 30
    #: What imports overwrote; so long `mailer import --undo` can put it back.
    undo_days: Days = 30


class Config(Section):
    """The whole file, with the workspace it belongs to."""

    workspace: WorkspaceSection = WorkspaceSection()
    database: DatabaseSection = DatabaseSection()
    keys: KeysSection = KeysSection()
    web: WebSection = WebSection()
    desk: DeskSection = DeskSection()
    sandbox: SandboxSection = SandboxSection()
    delivery: DeliverySection = DeliverySection()
    schedule: ScheduleSection = ScheduleSection()
    breaker: BreakerSection = BreakerSection()
    approval: ApprovalSection = ApprovalSection()
    alerts: AlertsSection = AlertsSection()
    feedback: FeedbackSection = FeedbackSection()
    sign_up: SignUpSection = SignUpSection()
    retention: RetentionSection = RetentionSection()
    organisations: Row[OrganisationSection] = ()
    senders: Row[SenderSection] = ()
    relays: Row[RelaySection] = ()
    pacing: Row[PacingSection] = ()
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
    def maildir(self) -> Path | None:
        """Return the Maildir in which bounces come in; None when there is none."""
        return self.root / self.feedback.maildir if self.feedback.maildir else None

    @property
    def unread_dir(self) -> Path:
        """Return where the messages are that came by a pipe and could not be read."""
        return self.data_dir / "unread"

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

    def relays_of(self, sender_key: str) -> tuple[RelaySection, ...]:
        """Return the relays that take a sender's mails, in order.

        A sender that names none, or that is gone from the file, has the first of the file alone.
        """
        wanted = next((one.relays for one in self.senders if one.key == sender_key), ())
        found = (self.relay(key) for key in wanted)
        return tuple(one for one in found if one is not None) or self.relays[:1]

    @property
    def relays_in_use(self) -> tuple[RelaySection, ...]:
        """Return the relays that senders' mails go by, as the file orders them."""
        used = {one.key for sender in self.senders for one in self.relays_of(sender.key)}
        return tuple(one for one in self.relays if one.key in used)

    @property
    def paces(self) -> Pacing:
        """Return how fast providers are mailed."""
        found = {one.domains: Pace(one.connections, one.per_second) for one in self.pacing}
        each_domain = found.pop(EACH_DOMAIN, UNLIMITED)
        return Pacing(found, each_domain)

    def relay(self, key: str) -> RelaySection | None:
        """Return the relay of that key; None when there is none."""
        return next((one for one in self.relays if one.key == key), None)

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
                    return_path_address=section.return_path_address,
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
        field = f"relays.{relay.key}.password"
        return read_secret(self.root, relay.password_file, relay.password_env, field)

    def imap_password(self) -> str:
        """Return the password of the mailbox from its file or environment variable; "" for none.

        Raises:
            FaultsFound: when the file or variable is missing; the value is never in it.
        """
        imap = self.feedback.imap
        if imap is None:
            return ""
        field = "feedback.imap.password"
        return read_secret(self.root, imap.password_file, imap.password_env, field)

    def hook_secret(self, key: str) -> str:
        """Return the secret of a webhook from its file or environment variable; "" for none.

        Raises:
            FaultsFound: when it is missing or can be guessed; the value is never in it.
        """
        hook, field = self.feedback.hooks[key], f"feedback.hooks.{key}.secret"
        secret = read_secret(self.root, hook.secret_file, hook.secret_env, field)
        if secret and len(secret) < _SHORTEST_SECRET:
            name = f"{field}_env" if hook.secret_env else f"{field}_file"
            problem = f"leads to fewer than {_SHORTEST_SECRET} characters"
            raise FaultsFound([Fault(CONFIG_FILE, 0, name, problem, "Choose a longer secret")])
        return secret
