"""What a mail program loads by itself is found however it is written, and nothing else is."""

import pytest

from mailer.domains.links import host_of, links_in_html, remote_parts


@pytest.mark.parametrize(
    "html",
    [
        '<img src="https://t.example/p">', "<IMG SRC=HTTP://t.example/p>",
        '<img src="//t.example/p">', '<img src="ht\ntps:\\\\t.example/p">',
        '<img src="&#104;ttps://t.example/p">', '<img srcset="cid:a 1x,https://t.example/p 2x">',
        '<table background="https://t.example/p">', '<video poster="ftp://t.example/p">',
        '<svg><image xlink:href="https://t.example/p"/></svg>', '<a href="#" ping="//t.example/p">',
        '<base href="https://t.example/">', '<link href="https://t.example/p">',
        '<meta http-equiv="refresh" content="0;url=https://t.example/p">',
        '<!--[if mso]><v:fill src="https://t.example/p"/><![endif]-->',
        "<style>@import '//t.example/p';</style>", "<style>a{b:url(https://t.example/p)}</style>",
        "<p style=\"background:image-set('https://t.example/p' 1x)\">",
        '<p style="background:url(ht\\74 ps://t.example/p)">',
    ],
)  # fmt: skip
def test_what_is_loaded_from_afar_is_found(html):
    """By its host, whatever way leads there."""
    assert ["t.example"] == [host_of(one) for one in remote_parts(html)]


@pytest.mark.parametrize(
    "html",
    [
        '<html xmlns="http://www.w3.org/1999/xhtml">', '<img src="cid:picture//1" alt="//x.example">',
        '<img src="data:image/png;base64,AA//BB">', "<style>/* https://x.example */ a{b:c}</style>",
        '<a href="https://x.example/" title="https://x.example/">x</a>', "<!-- https://x.example -->",
    ],
)  # fmt: skip
def test_what_is_in_the_mail_or_followed_by_hand_is_not_loaded(html):
    """A link is no pixel, nor is what people read."""
    assert [] == list(remote_parts(html))


def test_an_address_that_cannot_be_read_has_no_host():
    """Rubbish in a mail is no crash, and is told from every host there is."""
    (link,) = links_in_html('<a href="https://[x/">x</a>')
    assert "?" == host_of(link)
    assert [] == list(links_in_html("<!--[" * 5_000))
