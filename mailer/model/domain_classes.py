"""Coarse classes of mail domains, by who runs their servers: kept in clear, for pacing and reports.

In: a domain. Out: its class, as far as the name tells; `OTHER` for everybody else.
"""

from __future__ import annotations

_DOMAINS: dict[str, tuple[str, ...]] = {
    "gmail": ("gmail.com", "googlemail.com"),
    "outlook": ("outlook.com", "hotmail.com", "live.com", "msn.com"),
    "yahoo": ("yahoo.com", "ymail.com", "rocketmail.com", "aol.com"),
    "mailru": ("mail.ru", "bk.ru", "inbox.ru", "list.ru", "internet.ru", "xmail.ru"),
    "yandex": ("yandex.ru", "yandex.com", "yandex.by", "yandex.kz", "ya.ru", "narod.ru"),
    "rambler": ("rambler.ru", "lenta.ru", "autorambler.ru", "myrambler.ru", "ro.ru"),
    "ukrnet": ("ukr.net",),
    "icloud": ("icloud.com", "me.com", "mac.com"),
    "proton": ("proton.me", "protonmail.com", "protonmail.ch", "pm.me"),
    "tuta": ("tuta.com", "tuta.io", "tutanota.com", "tutanota.de", "tutamail.com"),
    "gmx": ("gmx.de", "gmx.net", "gmx.com", "gmx.at", "gmx.ch", "web.de", "mail.com"),
}
_CLASS_OF = {domain: name for name, domains in _DOMAINS.items() for domain in domains}
#: Regional twins that share a provider's servers: "yahoo.de", "hotmail.fr".
_CLASS_OF_LABEL = {"yahoo": "yahoo", "hotmail": "outlook", "outlook": "outlook", "live": "outlook"}
#: Everybody else: domains that have nothing to do with each other.
OTHER = "other"
#: The classes of one provider each.
PROVIDERS = tuple(_DOMAINS)
DOMAIN_CLASSES = (*PROVIDERS, OTHER)


def domain_class(ascii_domain: str) -> str:
    """Return the class of a domain: who runs its mail servers, as far as the name tells."""
    known = _CLASS_OF.get(ascii_domain)
    if known:
        return known
    labels = ascii_domain.split(".")
    # "yahoo.de", "yahoo.co.uk"; in "live.example.org" the provider is another.
    if len(labels) == 2 or (len(labels) == 3 and labels[1] in ("co", "com")):
        return _CLASS_OF_LABEL.get(labels[0], OTHER)
    return OTHER
