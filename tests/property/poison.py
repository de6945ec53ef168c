"""Text that would do harm if anything took it for more than text, and what is left of it in a mail.

`POISONS` is the table by name. `readable` and `is_unfit` say again, from the properties of Unicode
and not from a list of code points, what the program decides in `mailer.compose.cleaning`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace

from mailer.compose.composer import MailingComposer
from mailer.model.audience import Attribute, AttributeType, ListDefinition
from mailer.model.mailing import Design, Sender
from mailer.model.statement import Revision
from mailer.tokens import Tokens
from tests.support.mails import harbor_list, harbor_sender, mail_design

#: The header fields of every mail, in order.
FIELDS = ["From", "Subject", "Reply-To", "To", "Date", "Message-ID", "List-Id", "List-Unsubscribe",
          "List-Unsubscribe-Post", "Auto-Submitted", "Content-Language", "MIME-Version",
          "Content-Type"]  # fmt: skip
#: What a list declares in these tests, beside the name and country every supporter has.
ATTRIBUTES = {
    "city": Attribute("city", AttributeType.TEXT, clear=True),
    "skills": Attribute("skills", AttributeType.TEXT, clear=False),
}
# XML 1.0 §2.2: no document may hold these two.
_NO_XML = "\ufffe\uffff"
_TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
_BCC = "Bcc: bcc@example.net"

#: Name → text.
POISONS: Mapping[str, str] = {
    "cr": f"Mara\r{_BCC}",
    "lf": f"Mara\n{_BCC}",
    "crlf": f"Mara\r\n{_BCC}",
    "crlf at the end": "Mara\r\n",
    "crlf alone": "\r\n",
    "lf and cr": f"Mara\n\r{_BCC}",
    "folded": f"Mara\r\n {_BCC}",
    "folded by a tab": f"Mara\r\n\t{_BCC}",
    "a second To": "Mara\r\nTo: bcc@example.net\r\nCc: bcc@example.net",
    "a body": "Mara\r\n\r\n<p>Another letter.</p>",
    "end of data": "Mara\r\n.\r\nMAIL FROM:<x@example.net>\r\nRCPT TO:<bcc@example.net>\r\nDATA",
    "end of data by lf": "Mara\n.\nRSET\n",
    "end of data by cr": "Mara\r.\r",
    "dots": ".\r\n..\r\n.",
    "a boundary": "Mara\r\n--boundary--\r\nContent-Type: text/html",
    "From of a mailbox": "From mara@example.net Tue Dec  1 09:30:00 2026",
    "nul": "Mara\0Lind",
    "nul before crlf": f"Mara\0\r\n{_BCC}",
    "bell and backspace": "Mara\a\b\b\bLind",
    "vertical tab": f"Mara\v{_BCC}",
    "form feed": f"Mara\f{_BCC}",
    "escape sequence": "\x1b[2J\x1b]0;title\aMara",
    "separators of ascii": "Mara\x1cLind\x1dof\x1eOrlesk\x1f",
    "tab": "Mara\tLind",
    "delete": "Mara\x7fLind",
    "next line": f"Mara\x85{_BCC}",
    "c1": "Mara\x80\x9b2J\x9fLind",
    "line separator": f"Mara\u2028{_BCC}",
    "paragraph separator": f"Mara\u2029{_BCC}",
    "embedded": "\u202aMara\u202b Lind\u202c",
    "overridden": "\u202dMara\u202e dniL",
    "isolated": "\u2066Mara\u2067 Lind\u2068 of Orlesk\u2069",
    "unclosed override": "gnp.mara\u202e",
    "encoded-word, q": f"=?utf-8?q?Mara=0d=0a{_BCC}?=",
    "encoded-word, b": "=?utf-8?b?TWFyYQ0KQmNjOiBiY2NAZXhhbXBsZS5uZXQ=?=",
    "encoded-word of no charset": "=?x-none?q?Mara?=",
    "half an encoded-word": "Mara =?utf-8?q?Lind",
    "quoted-printable": f"Mara=0D=0A{_BCC}=\r\n",
    "soft break": "Mara=",
    "percent-encoded": f"Mara%0d%0a{_BCC}",
    "entities": f"Mara&#13;&#10;{_BCC}&lt;&amp;",
    "a long word": "x" * 1500,
    "a long line": "lighthouse " * 150,
    "a long Cyrillic word": "достопримечательность" * 20,
    "emoji": "Mara 👩🏽‍🚒🏳️‍🌈 🇲🇩 ✊",
    "combining marks": "M" + "a\u0301\u0323\u0308" * 60,
    "Arabic": "مارا ليند «من البحر»",
    "Hebrew and Latin": "מארה (Lind), 42!",
    "marks of direction": "\u200fMara\u200e \u061cLind",
    "unseen": "\ufeffMa\u200bra\u00ad\u2060 Lind",
    "template": "{{7*7}} {{ supporter.address }} {{ ''.__class__ }}",
    "raw": "{% raw %}{{ supporter.name }}{% endraw %}{# #}",
    "a loop": "{% for x in range(9) %}x{% endfor %}",
    "values by name": "%(list)s %s %n {0} ${HOME}",
    "script": "<script>alert(1)</script>",
    "out of its element": '</bdi></p><img src=x onerror="alert(1)">',
    "out of its attribute": "\" onmouseover='alert(1)' x=\"",
    "a comment": "<!-- Mara --> <![CDATA[ Lind ]]>",
    "addresses": '"Mara" <a@example.net>, b@example.net; c@example.net',
    "a group": "friends: a@example.net, b@example.net;",
    "quotes": 'Mara "the \\ light" (Lind), Esq.',
    "an odd quote": 'Mara "Lind',
    "a backslash": "Mara\\",
    "Markdown": "**Mara** [Lind](https://example.net) # _x_ | `y`",
    "a web address": "https://example.net/?a=1&b=2",
    "full width": "Ｍａｒａ＜ｂｃｃ＠ｅｘａｍｐｌｅ．ｎｅｔ＞：",
    "decomposed": "Ма\u0438\u0306я \u0415\u0308лка",
    "a formula": '=HYPERLINK("https://example.net")',
}


def is_unfit(text: str) -> bool:
    """Tell whether text may stand in no header: it breaks, controls or turns the line."""
    return any(
        unicodedata.category(one) in ("Cc", "Zl", "Zp", "Cs")
        or unicodedata.bidirectional(one) in _TURNS
        or one in _NO_XML
        for one in text
    )


def readable(text: str) -> str:
    """Return what a supporter's value becomes in a mail: one line that turns nothing around."""
    kept = (
        " " if unicodedata.category(one) in ("Cc", "Zl", "Zp") else one
        for one in text
        if unicodedata.category(one) != "Cs"
        and unicodedata.bidirectional(one) not in _TURNS
        and one not in _NO_XML
    )
    return "".join(kept)


def head_of(content: bytes) -> bytes:
    """Return a mail's header as it is on the wire, but for the boundary, which is never the same."""
    return re.sub(rb'boundary="[0-9a-f]+"', b'boundary="*"', content.partition(b"\r\n\r\n")[0])


def plain_design() -> Design:
    """Return a design of few lines, for tests that compose with a new statement each time."""
    whole = mail_design()
    return replace(
        whole,
        message_html="<html><body><p>{{ list.name }}</p><div>{{ edition.body }}</div></body></html>",
        message_text="{{ list.name }}\n\n{{ edition.body }}\n",
        layout_html="",
        layout_text="",
        style_css="p { margin: 0 }",
        catalogs={"en": whole.catalogs["en"]},
        plural_rules={"en": whole.plural_rules["en"]},
    )


def poisoned_composer(
    tokens: Tokens,
    revision: Revision,
    design: Design,
    *,
    subject: str = "Give it back",
    from_name: str = "Harbor Solidarity",
    list_name: str = "Harbor news",
) -> MailingComposer:
    """Return a composer of an English statement with these texts in its headers."""
    edition = replace(revision.editions["en"], subject=subject)
    sender: Sender = harbor_sender(name={"en": from_name})
    target: ListDefinition = harbor_list(name={"en": list_name}, attributes=ATTRIBUTES)
    changed = replace(revision, editions={"en": edition})
    return MailingComposer(changed, design, sender, [target], tokens, ())
