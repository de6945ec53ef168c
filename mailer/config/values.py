"""What a single value of `config.toml` may be: keys, addresses, domains, hosts, names, zones.

In: text a person wrote. Out: the value in the form it is used in, or a `ValueError` whose text
stands in the fault as it is. Standards: RFC 1035, RFC 5321, RFC 6376, BCP 47 and CLDR for languages.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, TypeVar
from zoneinfo import available_timezones

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BeforeValidator, Field

from mailer.cldr import is_language
from mailer.model.breaker import parse_canary
from mailer.model.characters import unwanted_character
from mailer.model.tags import parse_tag
from mailer.model.timing import parse_quiet_days

_KEY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# RFC 1035 §2.3.1: letters, digits and hyphens, at most 63 in a label.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
#: A domain of at least two labels, in small letters.
DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})+")
# RFC 6376 §3.1: a selector is one label or several.
_SELECTOR = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.IGNORECASE)
#: Names of a machine in its own network may have an underscore; a dot at the end means the root.
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_-]+)*\.?", re.IGNORECASE)
_LONGEST_HOST = 253
_LONGEST_PATH = 1_000
#: Leaves room for the local part within 254 octets.
_LONGEST_DOMAIN = 180


def _key(value: str) -> str:
    if not _KEY.fullmatch(value):
        raise ValueError("use lower-case letters, digits and single hyphens")
    return value


def _folder_name(value: str) -> str:
    if not value.strip() or unwanted_character(value):
        raise ValueError("is not the name of a folder like INBOX")
    return value


def _file_path(value: str) -> str:
    # Whoever writes a key or a password itself in this place would see it in every message.
    if unwanted_character(value) or len(value) > _LONGEST_PATH:
        raise ValueError("is not the path of a file: write where it is, not what is in it")
    return value


def _login(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty: write the name to log in by")
    return value


def _optional_key(value: str) -> str:
    return _key(value) if value else ""


def _address(value: str) -> str:
    try:
        checked = validate_email(value, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        # The library's text may quote the address; the key name is enough to find it.
        raise ValueError("is not a mail address like news@example.org") from error
    if checked.ascii_email is None:
        raise ValueError("has letters before the @ that not every mail server takes: use a to z")
    return checked.ascii_email


def _optional_address(value: str) -> str:
    return _address(value) if value else ""


def _base_url(value: str) -> str:
    # RFC 3986 §3.2: a host, which is a name or an IPv6 address in brackets, and maybe a port.
    found = re.fullmatch(
        r"https?://(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+))(?::(\d{1,5}))?(?:/[A-Za-z0-9._~\-/]*)?",
        value,
    )
    try:
        _host((found[1] or found[2]) if found else "")
        _port_number(int(found[3] or 443) if found else 0)
    except ValueError as error:
        raise ValueError("is not a web address like https://mail.example.org") from error
    return value.rstrip("/")


def _optional_base_url(value: str) -> str:
    return _base_url(value) if value else ""


def _domain(value: str) -> str:
    try:
        domain = value.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise ValueError("is not a domain name like bounces.example.org") from error
    if not DOMAIN.fullmatch(domain) or len(domain) > _LONGEST_DOMAIN:
        raise ValueError("is not a domain name like bounces.example.org")
    return domain


def _optional_domain(value: str) -> str:
    return _domain(value) if value else ""


def _host(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        pass
    else:
        return value
    try:
        host = value.encode("idna").decode("ascii")
    except UnicodeError:
        host = ""
    if not _HOST.fullmatch(host) or len(host) > _LONGEST_HOST:
        raise ValueError("is not a host name or an IP address")
    return host


def _greeting(value: str) -> str:
    """Return a name to greet with as it goes over the wire."""
    in_brackets = re.fullmatch(r"\[(?:IPv6:)?([0-9A-F:.]+)\]", value, re.IGNORECASE)
    literal = in_brackets[1] if in_brackets else value
    try:
        address = ipaddress.ip_address(literal)
    except ValueError:
        # RFC 5321 §2.3.5: a domain in A-labels, without the root's dot.
        return _host(value).encode("idna").decode("ascii").rstrip(".")
    if "%" in literal:
        raise ValueError("names an interface after the address: leave that out")
    # RFC 5321 §4.1.3: an address stands in brackets, one of IPv6 with its tag.
    return f"[{address}]" if address.version == 4 else f"[IPv6:{address}]"


def _port_number(value: int) -> int:
    if not 1 <= value <= 65_535:
        raise ValueError("is not a port from 1 to 65535")
    return value


def _database_url(value: str) -> str:
    if re.match(r"[^/]+://[^/@]*:[^/@]*@", value):
        raise ValueError("holds a password: name a variable that holds the address in url_env")
    return value


def _selector(value: str) -> str:
    if not _SELECTOR.fullmatch(value):
        raise ValueError("is not a selector like mail2026: use letters, digits, hyphens and dots")
    return value


def _local_part(value: str) -> str:
    # RFC 5321 §4.5.3.1.1: 64 octets, of which the token and its plus sign take 41.
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,21}[A-Za-z0-9])?", value):
        raise ValueError("use up to 23 letters, digits, dots and hyphens")
    return value


def _names(value: dict[str, str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for language, name in value.items():
        if not is_language(language):
            raise ValueError(f'"{language}" is not a language: write a tag like en, ru or sr-Latn')
        # Names are looked up by the one form of a tag.
        tag = str(parse_tag(language))
        if tag in names:
            raise ValueError(f"has two texts in {tag}")
        unwanted = unwanted_character(name)
        if unwanted:
            raise ValueError(f"holds {unwanted} in {language}: delete it")
        if not name.strip():
            raise ValueError(f"has no text in {language}")
        names[tag] = name
    return names


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("is not an IANA time zone like Europe/Chisinau")
    return value


def _quiet_days(value: tuple[str, ...]) -> tuple[str, ...]:
    try:
        parse_quiet_days(value)
    except ValueError as error:
        problem = f"{error}: write days like sat and dates like 2026-12-25"
        raise ValueError(problem) from None
    return value


def _canary(value: str) -> str:
    parse_canary(value)
    return value


# RFC 5322 §2.2: names of our own making stay out of a relay's way, so that only X- names pass.
_RELAY_HEADER = re.compile(r"X-[A-Za-z0-9]+(-[A-Za-z0-9]+)*")
_LONGEST_HEADER = 60
#: Of Amazon SNS: partition, region, account and name. What ends in ".fifo" takes no webhook.
_TOPIC = re.compile(
    r"arn:(aws|aws-cn|aws-us-gov):sns:[a-z]{2,4}(-[a-z]+)+-\d{1,2}:\d{12}:[A-Za-z0-9_-]{1,256}"
)


def _relay_headers(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if not _RELAY_HEADER.fullmatch(name) or len(name) > _LONGEST_HEADER:
            raise ValueError("has a name that is none for a relay, like X-SES-CONFIGURATION-SET")
        if not re.fullmatch(r"[!-~]{1,60}", text):
            raise ValueError(f"{name} wants up to 60 letters, digits and signs without blanks")
    if len({name.lower() for name in value}) < len(value):
        raise ValueError("names one field twice")
    return value


def _header_name(value: str) -> str:
    if value and (not _RELAY_HEADER.fullmatch(value) or len(value) > _LONGEST_HEADER):
        raise ValueError("is no name of our own for a header field, like X-Mailer-Secret")
    return value


def _username(value: str) -> str:
    # RFC 7617 §2: a colon ends the name.
    if value and not re.fullmatch(r"[!-9;-~]{1,60}", value):
        raise ValueError("use up to 60 ASCII letters, digits and signs, without blanks and colons")
    return value


def _topic(value: str) -> str:
    if not _TOPIC.fullmatch(value):
        raise ValueError("is not like arn:aws:sns:eu-central-1:123456789012:mailer-feedback")
    return value


def _tuple(value: object) -> object:
    # The parser of TOML gives lists; what is frozen holds tuples.
    return tuple(value) if isinstance(value, list) else value


Key = Annotated[str, AfterValidator(_key)]
OptionalKey = Annotated[str, AfterValidator(_optional_key)]
#: Of a file or folder on this machine.
FilePath = Annotated[str, AfterValidator(_file_path)]
#: What a mailbox is opened by, with a password.
Login = Annotated[str, AfterValidator(_login)]
#: Of a folder in a mailbox.
FolderName = Annotated[str, AfterValidator(_folder_name)]
RelayHeaders = Annotated[dict[str, str], AfterValidator(_relay_headers)]
Address = Annotated[str, AfterValidator(_address)]
OptionalAddress = Annotated[str, AfterValidator(_optional_address)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
OptionalBaseUrl = Annotated[str, AfterValidator(_optional_base_url)]
Names = Annotated[dict[str, str], AfterValidator(_names)]
LocalPart = Annotated[str, AfterValidator(_local_part)]
Domain = Annotated[str, AfterValidator(_domain)]
OptionalDomain = Annotated[str, AfterValidator(_optional_domain)]
Host = Annotated[str, AfterValidator(_host)]
#: What we greet a relay with.
Greeting = Annotated[str, AfterValidator(_greeting)]
Selector = Annotated[str, AfterValidator(_selector)]
Zone = Annotated[str, AfterValidator(_zone)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
Username = Annotated[str, AfterValidator(_username)]
#: The name of a topic of Amazon SNS.
TopicArn = Annotated[str, AfterValidator(_topic)]
RelayPort = Annotated[int, AfterValidator(_port_number)]
CanaryText = Annotated[str, AfterValidator(_canary)]
#: A share of all mails.
Percent = Annotated[float, Field(ge=0, le=100)]
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
#: Up to a year in seconds: longer than anything of ours lasts, and no date overflows by it.
Seconds = Annotated[float, Field(gt=0, le=31_536_000)]
Port = Annotated[int, Field(ge=0, le=65535)]
#: Mails a second; 0 is no limit.
PerSecond = Annotated[float, Field(ge=0, le=100_000)]

Item = TypeVar("Item")
#: Any number of values in their order.
Row = Annotated[tuple[Item, ...], BeforeValidator(_tuple)]
#: Days of the week and dates.
QuietDayWords = Annotated[Row[str], AfterValidator(_quiet_days)]
