"""The program as a wheel installs it, in a folder of its own, with nothing beside it of the tree.

The packages it needs are those of requirements.lock, linked from where the tests have them, and no
others: what the program imports and does not require is missed here.
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent.parent


def build_wheel(folder: Path) -> Path:
    """Build the wheel of the tree into a folder, and return it."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    return wheel


def required() -> list[str]:
    """Return the names of the packages in requirements.lock."""
    lines = re.findall(r"(?m)^[\w.-]+==[^\\\n]+", (ROOT / "requirements.lock").read_text())
    wanted = [Requirement(line) for line in lines]
    # Some are for other systems only.
    return [one.name for one in wanted if one.marker is None or one.marker.evaluate()]


def install(wheel: Path, folder: Path) -> Path:
    """Install a wheel into a new environment, and return the command `mailer` there."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    paths = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", "venv", paths))
    for name in required():
        _link(name, packages)
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install",
         "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps", str(wheel)],
        check=True, timeout=120,
    )  # fmt: skip
    return folder / "bin" / "mailer"


def _link(name: str, packages: Path) -> None:
    """Link what belongs to a package into another environment."""
    there = distribution(name)
    tops = {
        path.parts[0] for path in there.files or () if path.parts[0] not in ("..", "__pycache__")
    }
    for top in tops:
        if not (packages / top).exists():
            (packages / top).symlink_to(Path(str(there.locate_file(top))).resolve())
