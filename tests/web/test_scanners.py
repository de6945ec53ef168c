"""What link scanners, prefetchers and previews ask for changes nothing, whatever they pretend to be."""

from __future__ import annotations

import pytest

from tests.support.supporter_site import Person, every_mailed_link, every_row, supporter_site

_CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
_ANY = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
#: Name → method, header fields, body, query.
SHAPES = {
    "SafeLinks looks": ("GET", {**_ANY, "User-Agent": f"{_CHROME}Chrome/120.0 Safari/537.36"}),
    "SafeLinks asks first": ("HEAD", {"User-Agent": "Mozilla/5.0 (compatible; MSIE 9.0)"}),
    "Barracuda": ("GET", {"User-Agent": "BarracudaCentral/1.0", "Accept": "*/*"}),
    "Proofpoint": ("GET", {"User-Agent": f"{_CHROME}Chrome/79.0", "Accept-Encoding": "identity"}),
    "Mimecast": ("HEAD", {"User-Agent": "Mozilla/5.0", "Accept": "*/*", "Connection": "close"}),
    "BingPreview": ("GET", {"User-Agent": f"{_CHROME}Chrome/103.0 BingPreview/1.0b", **_ANY}),
    "Gmail's proxy": ("GET", {"User-Agent": "Mozilla/5.0 (via ggpht.com GoogleImageProxy)",
                              "Accept": "image/webp,image/*,*/*;q=0.8"}),
    "Yahoo's proxy": ("GET", {"User-Agent": "YahooMailProxy; https://help.yahoo.com/kb/"}),
    "Telegram": ("GET", {"User-Agent": "TelegramBot (like TwitterBot)", "Range": "bytes=0-32767"}),
    "Slack": ("GET", {"User-Agent": "Slackbot-LinkExpanding 1.0", "Range": "bytes=0-32768"}),
    "WhatsApp": ("GET", {"User-Agent": "WhatsApp/2.23.20.0"}),
    "prefetched": ("GET", {"Sec-Purpose": "prefetch", "Purpose": "prefetch", **_ANY}),
    "prerendered": ("GET", {"Sec-Purpose": "prefetch;prerender", "X-Moz": "prefetch"}),
    "a preflight": ("OPTIONS", {"Origin": "https://mail.example.net",
                                "Access-Control-Request-Method": "POST"}),
    "with the form in the query": ("GET", _ANY, b"",
        "List-Unsubscribe=One-Click&action=unsubscribe&action=pause&action=confirm&action=erase"),
    "with the form in its body": ("GET", {"Content-Type": "application/x-www-form-urlencoded"},
                                  b"List-Unsubscribe=One-Click"),
    "with another method written into it": ("GET", {"X-HTTP-Method-Override": "POST"}, b"",
                                            "_method=POST"),
    "PUT": ("PUT", {}, b"List-Unsubscribe=One-Click"),
    "DELETE": ("DELETE", {}),
    "PATCH": ("PATCH", {}),
}  # fmt: skip
#: Sent by programs that press every button: a form that is none of ours.
EMPTY_POSTS = {
    "an empty POST": (b"", "application/x-www-form-urlencoded"),
    "JSON": (b'{"List-Unsubscribe": "One-Click"}', "application/json"),
    "words": (b"List-Unsubscribe=One-Click", "text/plain"),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """All pages, and people."""
    with supporter_site(tmp_path_factory.mktemp("scanners")) as made:
        yield made


@pytest.fixture(scope="module")
def addresses(world):
    """Every address that our mails hold, and those that the pages behind them lead to."""
    person = Person(world)
    found = every_mailed_link(world, person)
    found += [f"{person.leave}?to=preferences", person.data]
    found += [f"{person.data}/{one}" for one in ("erase", "address", "file")]
    found += ["/", "/undo", "/join", "/data", f"{person.preferences}/link"]
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_looking_changes_nothing(world, addresses, shape):
    """Each way of asking, for each address of our mails, twice: no row is another, no mail written."""
    method, headers, body, query = (*SHAPES[shape], b"", "")[:4]
    before = every_row(world.store)
    with world.site.visitor() as visitor:
        for address in addresses * 2:
            mark = "&" if "?" in address else "?"
            url = f"{address}{mark}{query}" if query else address
            answer = visitor.request(method, url, headers=headers, content=body)
            assert answer.status_code < 500, (address, answer.status_code)
            assert "set-cookie" not in answer.headers
    assert before == every_row(world.store)


@pytest.mark.parametrize("shape", EMPTY_POSTS)
def test_pressing_blindly_changes_nothing(world, addresses, shape):
    """A POST that is none of our forms is refused everywhere."""
    body, kind = EMPTY_POSTS[shape]
    before = every_row(world.store)
    with world.site.visitor() as visitor:
        for address in addresses:
            answer = visitor.post(address, content=body, headers={"Content-Type": kind})
            # The file of one's own data needs no more than the link, and reads only.
            is_refused = 400 <= answer.status_code < 500 or b"<form" in answer.content
            assert is_refused or address.endswith("/file"), address
    assert before == every_row(world.store)


def test_no_route_takes_an_address_to_go_to(world):
    """Nothing redirects elsewhere: what a visitor writes into an address is never gone to."""
    with world.site.visitor() as visitor:
        for address in ("/", "/join", "/data", "/u/anything", "/p/anything", "/w/anything"):
            for name in ("url", "next", "to", "return", "redirect"):
                answer = visitor.get(f"{address}?{name}=https://example.com/")
                assert "example.com" not in answer.headers.get("location", "")
