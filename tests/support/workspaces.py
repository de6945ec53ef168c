"""Workspaces without lists or templates: a config of a few lines, both keys, a folder for data."""

from __future__ import annotations

from pathlib import Path

from mailer.config import CONFIG_FILE
from mailer.keys import create_seal_key, create_service_key

#: One organisation with one sender, whose section is the last.
HARBOR_CONFIG = """
[workspace]
name = "Harbor"
staff = ["editor@harbor.example.org"]
[[organisations]]
key = "harbor"
name = { en = "Harbor" }
[[senders]]
key = "harbor"
organisation = "harbor"
name = { en = "Harbor Solidarity" }
address = "news@harbor.example.org"
reply_to = "office@harbor.example.org"
return_path_domain = "bounces.harbor.example.org"
"""


def made_live(config: str) -> str:
    """Return a config of these as that of a workspace that is live."""
    return config.replace("[workspace]\n", "[workspace]\nlive = true\n", 1)


#: The same, live: with pages, alerts, and a relay that comes right after the sender.
LIVE_CONFIG = f"""
[web]
base_url = "https://mail.harbor.example.org"
port = 1
[alerts]
addresses = ["editor@harbor.example.org"]
disk_low_mb = 0
{made_live(HARBOR_CONFIG)}[[relays]]
key = "main"
host = "smtp.example.org"
"""


def lay_workspace(folder: Path, config: str) -> None:
    """Write the files of a workspace: its config and both keys."""
    (folder / "data").mkdir()
    (folder / CONFIG_FILE).write_text(config, encoding="utf-8")
    create_seal_key(folder / "seal.key")
    create_service_key(folder / "service.key")
