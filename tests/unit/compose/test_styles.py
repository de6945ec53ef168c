"""Style sheets are put into mails by what cannot fetch anything."""

import subprocess
import sys

STYLED = """
import sys
from lxml import html
from mailer.compose.styles import add_style

root = html.document_fromstring("<html><head></head><body><p>hello</p></body></html>")
add_style(root, "p { color: #123456 }")
print(root.find("body/p").get("style"), "requests" in sys.modules, "urllib3" in sys.modules)
"""


def test_no_web_client_is_loaded_with_premailer():
    """A sender that never had one cannot be made to call anywhere, and is six megabytes smaller."""
    ran = subprocess.run(
        [sys.executable, "-c", STYLED], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.split() == ["color:#123456", "False", "False"]
