"""Fill in what a server needs beside the program: systemd units, Caddyfile, Postfix, journal.

In: a workspace's config, the program's path and the user it runs as. Out: texts by their path
below the folder they are written to, or faults when the config does not say enough yet.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mailer.app.supervisor import longest_end_s
from mailer.config import CONFIG_FILE, Config, share_dir
from mailer.model.faults import Fault, FaultsFound
from mailer.model.feedback import UNSUBSCRIBE_LOCAL_PART

#: Where the shipped files lie, in the source tree and in the wheel's share.
FOLDER = "deploy"
#: What stands in them for what differs between servers.
_PLACE = re.compile(r"@([A-Z]+)@")
#: systemd takes these in a path only when they are quoted in its own way.
_AWKWARD = re.compile(r"[^\w/.+,:=-]")
#: systemd waits so much longer than the program itself does before it kills.
_SPARE_S = 30
#: ProtectHome= of the units hides what is below these.
_HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user")))
#: RFC 5321 §4.5.1 and RFC 2142: every domain that takes mail has them.
_ALWAYS = ("postmaster", "abuse")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


@dataclass(frozen=True)
class Site:
    """Where a workspace runs."""

    #: Absolute path of the command `mailer`.
    program: Path
    #: The system's user that runs it.
    user: str


def server_files(config: Config, site: Site) -> dict[str, str]:
    """Return the shipped files, filled in: path below the target folder → text.

    Raises:
        FaultsFound: when a path cannot stand in a unit or is hidden from it, or links are not
            https yet.
    """
    faults = [*_site_faults(config, site), *_link_faults(config)]
    if faults:
        raise FaultsFound(faults)
    values = {
        "PROGRAM": str(site.program),
        "USER": site.user,
        "WORKSPACE": str(config.root),
        "HOSTS": ", ".join(_hosts(config)),
        "STOPSECONDS": str(math.ceil(longest_end_s(config.delivery.shutdown_grace_s)) + _SPARE_S),
        "MAILDIR": f" {config.maildir}" if _is_apart(config) else "",
        "RECIPIENTS": "\n".join(f"{one} mailer:" for one in _recipients(config)),
        "UPSTREAM": _upstream(config.web.host, config.web.port),
        **_desk_places(config),
    }
    folder = share_dir() / FOLDER
    return {
        path.relative_to(folder).as_posix(): _PLACE.sub(
            lambda found: values[found[1]], path.read_text(encoding="utf-8")
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _is_apart(config: Config) -> bool:
    """Tell whether there is a Maildir that is not below the workspace."""
    return config.maildir is not None and not config.maildir.is_relative_to(config.root)


def _recipients(config: Config) -> list[str]:
    """Return the addresses for which mail comes in, each once."""
    found = []
    for one in config.senders:
        domain = one.return_path_domain
        locals_ = (one.return_path_local, UNSUBSCRIBE_LOCAL_PART, *_ALWAYS)
        found += [f"{local}@{domain}" for local in locals_]
    hosts = [one.greets_as for one in config.relays if one.greets_as]
    found += [f"{local}@{host}" for host in hosts for local in _ALWAYS]
    return list(dict.fromkeys(found))


def _links(config: Config) -> dict[str, str]:
    """Return what links begin with, by the key of config.toml that says so."""
    own = {f"senders.{one.key}.base_url": one.base_url for one in config.senders if one.base_url}
    return {"web.base_url": config.web.base_url, **own}


def _hosts(config: Config) -> list[str]:
    return list(dict.fromkeys(urlsplit(link).netloc for link in _links(config).values()))


def _upstream(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _desk_places(config: Config) -> dict[str, str]:
    """Return how the desk is reached by https: below a host of links, at one of its own, or not."""
    desk = config.desk
    parts = urlsplit(desk.address)
    if not desk.enabled or parts.scheme != "https":
        # It answers on this machine only: staff come by ssh.
        return {"DESKROUTE": "", "DESKSITE": ""}
    # How often somebody tried to sign in is counted by network, which the proxy tells.
    proxy = f"reverse_proxy {_upstream(desk.host, desk.port)}"
    if parts.netloc in _hosts(config):
        paths = "\t@desk path /desk /desk/* /api/*\n"
        return {"DESKROUTE": f"{paths}\thandle @desk {{\n\t\t{proxy}\n\t}}\n", "DESKSITE": ""}
    security = 'header Strict-Transport-Security "max-age=31536000"\n\theader -Server'
    return {
        "DESKROUTE": "",
        "DESKSITE": f"\n{parts.netloc} {{\n\t{security}\n\t{proxy}\n}}\n",
    }


def _link_faults(config: Config) -> list[Fault]:
    return [
        Fault(
            CONFIG_FILE, 0, field, f"is {link}, and visitors need https",
            "Write the address that readers will see, with https://",
        )
        for field, link in _links(config).items()
        if urlsplit(link).scheme != "https"
    ]  # fmt: skip


def _site_faults(config: Config, site: Site) -> list[Fault]:
    paths = [config.root, site.program, *([config.maildir] if config.maildir else [])]
    faults = [
        Fault(
            str(path), 0, "path", "has a blank or another character that a unit cannot hold",
            "Move it to a folder of letters, digits and hyphens",
        )
        for path in paths
        if _AWKWARD.search(str(path))
    ]  # fmt: skip
    faults += [
        Fault(
            str(path), 0, "path", "is in a home folder, which a service does not see",
            "Make the workspace below /var/lib, and install the program with PIPX_HOME=/opt/pipx",
        )
        for path in paths
        if any(path.is_relative_to(hidden) for hidden in _HIDDEN)
    ]  # fmt: skip
    if not _USER.fullmatch(site.user):
        problem = "is no name of a user on Debian"
        faults.append(Fault("", 0, "--user", problem, "Use lower-case letters, digits and hyphens"))
    return faults
