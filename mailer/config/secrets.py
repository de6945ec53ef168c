"""Read a secret that config.toml names and does not hold.

In: the workspace's folder, the name of a file or of an environment variable. Out: the secret, at the
moment it is needed, or a fault that tells where it was looked for and never what was there.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from mailer.model.faults import Fault, FaultsFound

CONFIG_FILE = "config.toml"


def read_secret(root: Path, file: str, variable: str, field: str) -> str:
    """Return a secret from its environment variable or file; "" when neither is named.

    Args:
        root: the workspace's folder.
        file: name of the file, "" for none.
        variable: name of the environment variable, "" for none.
        field: the key that names them, without "_file" and "_env".

    Raises:
        FaultsFound: when the file or variable is missing; the value is never in it.
    """
    if variable:
        value = os.environ.get(variable)
        if value:
            return value
        problem = f"the environment has no {variable}"
        raise _fault(f"{field}_env", problem, "Set it and start again")
    if not file:
        return ""
    path, field = root / file, f"{field}_file"
    try:
        is_open = stat.S_IMODE(path.stat().st_mode) & 0o077
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        remedy = "Check its path and owner"
        raise _fault(field, "the file cannot be read", remedy) from error
    if is_open:
        raise _fault(field, "the file is open to other users", f"Run: chmod 600 {file}")
    if not secret:
        raise _fault(field, "the file is empty", "Write the secret into it")
    return secret


def _fault(field: str, problem: str, remedy: str) -> FaultsFound:
    return FaultsFound([Fault(CONFIG_FILE, 0, field, problem, remedy)])
