"""Look at the links of a statement when a person asks for it, and say what was found.

In: a subject. Out: findings about the last look. What is looked at stands in the statement for
everybody: never a link of a mail that holds a person's token, nor a page of our own, which may not be
public yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from urllib.parse import urlsplit

from mailer.app.preflight.fetching import LinkAsker
from mailer.app.preflight.findings import Finding, FindingCode, Place, advisory
from mailer.app.preflight.subject import Subject
from mailer.app.workspace import Workspace
from mailer.model.links import LinkAnswer, LinkLook
from mailer.model.statement import Revision, edition_file
from mailer.statements.markdown import parse_body, quote_field, without_slots
from mailer.store.looks import keep_link_looks, last_link_looks

#: So many are asked at a time.
AT_A_TIME = 10
#: More than a statement has; a run ends.
MOST_LINKS = 200
#: So many links of which none is met tell of our own network, fewer of theirs.
_TELLING = 3
#: A page that was there longer ago than this may be gone.
LINKS_FRESH = timedelta(days=7)
_WEB = ("http", "https")
_CODES = {
    LinkAnswer.LEADS_ON: FindingCode.LINK_LEADS_ON,
    LinkAnswer.GONE: FindingCode.LINK_GONE,
    LinkAnswer.CLOSED: FindingCode.LINK_CLOSED,
    LinkAnswer.FAILING: FindingCode.LINK_FAILING,
    LinkAnswer.SILENT: FindingCode.LINK_SILENT,
    LinkAnswer.UNTRUSTED: FindingCode.LINK_UNTRUSTED,
    LinkAnswer.PRIVATE: FindingCode.LINK_PRIVATE,
    LinkAnswer.OFFLINE: FindingCode.LINK_OFFLINE,
}


def links_of(revision: Revision, base_url: str = "") -> Mapping[str, Place]:
    """Return the web addresses that a statement holds, and where each stands first.

    Args:
        revision: the statement.
        base_url: of our own pages, which are left out; "" for none.
    """
    found: dict[str, Place] = {}

    def add(address: str, place: Place) -> None:
        # Two addresses that differ in what no server is sent are one.
        bare = address.partition("#")[0]
        own = base_url and (bare == base_url or bare.startswith(f"{base_url}/"))
        if urlsplit(bare).scheme in _WEB and not own:
            found.setdefault(bare, place)

    for language, edition in revision.editions.items():
        file = edition_file(revision, language)
        for address, line in _body_links(edition.body, edition.body_line):
            add(address, Place(revision.slug, language, file, line, "link"))
    file = f"{edition_file(revision, '').rsplit('/', 1)[0]}/statement.toml"
    named = [
        *(("supports", one.address) for one in revision.supports),
        *(("hashtags", one.address) for one in revision.hashtags),
        *(("related", one.address) for one in revision.related),
        *(("signatories", one.address) for one in revision.signatories),
    ]
    if revision.appeal:
        named.append(("address", revision.appeal.address))
    for field, address in named:
        add(address, Place(revision.slug, file=file, field=field))
    return found


@lru_cache(maxsize=64)
def _body_links(body: str, first_line: int) -> Sequence[tuple[str, int]]:
    """Return the links of a body, with the line each stands on."""
    found: list[tuple[str, int]] = []
    # What is merged stands in no link, so that none of these holds anything of a person.
    for token in parse_body(without_slots(body)):
        line = first_line + (token.map[0] if token.map else 0)
        if token.type == "container_quote_open":
            found.append((quote_field(token, "source"), line))
        for child in token.children or []:
            if child.type in ("softbreak", "hardbreak"):
                line += 1
            elif child.type == "link_open":
                found.append((str(child.attrGet("href") or ""), line))
    return found


def ask_links(
    workspace: Workspace, revision: Revision, base_url: str = "", asker: LinkAsker | None = None
) -> list[LinkLook]:
    """Ask the servers that a statement's links lead to, and keep how they answered.

    Takes as long as the slowest of ten at a time: with a network, some seconds.

    Args:
        workspace: where it is kept.
        revision: the statement.
        base_url: of our own pages, which are not asked.
        asker: who asks; None for one that reaches the public network alone.
    """
    now = workspace.clock.now()
    asker = asker or LinkAsker()
    addresses = list(links_of(revision, base_url))[:MOST_LINKS]
    if not addresses:
        return []
    with ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="links") as pool:
        looks = _unless_away(list(pool.map(lambda one: asker.ask(one, now), addresses)))
    with workspace.store.write() as connection:
        keep_link_looks(connection, looks, now)
    return looks


def _unless_away(looks: list[LinkLook]) -> list[LinkLook]:
    """Return looks; where no server at all was met, none says anything but that we are off-line.

    A machine without a network is often told that there is no such host, not that nobody knows.
    """
    nothing = {LinkAnswer.GONE, LinkAnswer.SILENT, LinkAnswer.OFFLINE}
    if len(looks) < _TELLING or any(one.status or one.answer not in nothing for one in looks):
        return looks
    return [replace(one, answer=LinkAnswer.OFFLINE) for one in looks]


def link_findings(workspace: Workspace, subject: Subject) -> Iterator[Finding]:
    """Yield what the last look at the links found, and how many nobody looked at."""
    if subject.stored is None:
        return
    revision = subject.stored.revision
    links = links_of(revision, subject.sender.base_url if subject.sender else "")
    with workspace.store.read() as connection:
        looks = last_link_looks(connection, links)
    around = Place(statement=revision.slug)
    not_asked = len(links) - len(looks)
    if not_asked:
        yield advisory(FindingCode.LINKS_NOT_ASKED, around, count=not_asked)
    oldest = min((one.looked_at for one in looks.values()), default=None)
    if oldest is not None and workspace.clock.now() - oldest > LINKS_FRESH:
        asked = f"{oldest:%Y-%m-%d %H:%M} UTC"
        yield advisory(FindingCode.LINKS_ASKED_LONG_AGO, around, asked=asked)
    for address, place in links.items():
        look = looks.get(address)
        if look is None or look.answer is LinkAnswer.FINE:
            continue
        yield advisory(
            _CODES[look.answer], place,
            address=address, status=look.status, target=look.leads_to,
            asked=f"{look.looked_at:%Y-%m-%d %H:%M} UTC",
        )  # fmt: skip
