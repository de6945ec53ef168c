"""See whether a web address can be reached by https, with a certificate that is valid.

In: base_url. Out: findings. Only TLS is spoken; no page is asked for.
"""

from __future__ import annotations

import socket
import ssl
from urllib.parse import urlsplit

from mailer.model.findings import Finding, ok, unknown, wrong

#: How long connecting may take, in seconds.
PATIENCE_S = 10.0


def check_https(base_url: str, patience_s: float = PATIENCE_S) -> Finding:
    """Return whether links of this address lead to a server with a valid certificate."""
    parts = urlsplit(base_url)
    subject = f"https of {parts.hostname}"
    if parts.scheme != "https":
        remedy = "Write one with https:// before live = true"
        return wrong(subject, f"{base_url} is not https", remedy)
    host, port = parts.hostname or "", parts.port or 443
    try:
        with (
            socket.create_connection((host, port), timeout=patience_s) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=host) as encrypted,
        ):
            until = (encrypted.getpeercert() or {}).get("notAfter", "")
    except ssl.SSLCertVerificationError as error:
        problem = f"its certificate is not valid: {error.verify_message.rstrip('.')}"
        return wrong(subject, problem, "Renew it, or let the web server get one")
    except ssl.SSLError as error:
        return wrong(subject, f"TLS fails: {error.reason}", "See the web server's settings")
    except socket.gaierror as error:
        if error.errno != socket.EAI_NONAME:
            problem, remedy = "the DNS could not be asked", "Check the network of this machine"
            return unknown(subject, problem, remedy)
        return wrong(subject, "the name has no address",
                     "Add A and AAAA records")  # fmt: skip
    except ConnectionRefusedError:
        return wrong(subject, "nobody answers there", "Start the web server")
    except OSError as error:
        problem = f"it could not be reached: {error.strerror or 'no answer in time'}"
        return unknown(subject, problem, "Check the network of this machine")
    return ok(subject, f"answers, with a certificate until {until}")
