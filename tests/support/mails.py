"""A statement in English, Russian and Persian, and all that makes mails of it, for tests.

Everyone in it is invented. The phrases are the shipped ones where they are translated, else a
provisional translation from here, so that a test of mails does not wait for a translator.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache

from PIL import Image

from mailer.compose.composer import MailingComposer
from mailer.compose.design import read_design
from mailer.config import share_dir
from mailer.model.audience import Attribute, AttributeType, ListDefinition
from mailer.model.mailing import Design, OutgoingDelivery, Sender
from mailer.model.statement import (
    Edition,
    Hashtag,
    Picture,
    RelatedItem,
    RelatedKind,
    Revision,
    Signatory,
    StatementKind,
    Supported,
    SupportedKind,
)
from mailer.statements.catalog import Catalog, load_catalogs
from mailer.store.documents import with_digest
from mailer.tokens import Tokens

NOW = datetime(2026, 12, 1, 9, 30, 41, tzinfo=UTC)

#: English phrase → Russian, Romanian, Persian.
_PHRASES = {
    "This statement is not available in your language.": (
        "Этого заявления нет на вашем языке.",
        "Această declarație nu este disponibilă în limba dumneavoastră.",
        "این بیانیه به زبان شما موجود نیست.",
    ),
    "Available languages: %(languages)s": (
        "Доступные языки: %(languages)s",
        "Limbi disponibile: %(languages)s",
        "زبان‌های موجود: %(languages)s",
    ),
    "It is shown below in this language: %(language)s": (
        "Ниже оно приведено на этом языке: %(language)s",
        "Mai jos este afișată în această limbă: %(language)s",
        "در زیر به این زبان نشان داده می‌شود: %(language)s",
    ),
    "In support of:": ("В поддержку", "În sprijinul", "در حمایت از"),
    "Hello %(name)s,": (
        "Здравствуйте, %(name)s!",
        "Bună ziua, %(name)s,",
        "سلام %(name)s،",
    ),
    "Hello,": ("Здравствуйте!", "Bună ziua,", "سلام،"),
    "Signed by": ("Подписали", "Semnează", "امضاکنندگان"),
    "and others": ("и другие", "și alții", "و دیگران"),
    "Read more": ("Подробнее", "Mai multe", "بیشتر بخوانید"),
    "Reports": ("Доклады", "Rapoarte", "گزارش‌ها"),
    "Campaigns": ("Кампании", "Campanii", "کارزارها"),
    "The case": ("Дело", "Cazul", "پرونده"),
    "First published": ("Впервые опубликовано", "Publicat inițial", "انتشار نخست"),
    "You are receiving this message because your address is on this list: %(list)s": (
        "Вы получаете это письмо, потому что ваш адрес есть в списке рассылки: %(list)s",
        "Primiți acest mesaj pentru că adresa dumneavoastră se află pe această listă: %(list)s",
        "این پیام را دریافت می‌کنید چون نشانی شما در این فهرست است: %(list)s",
    ),
    "Unsubscribe": ("Отписаться", "Dezabonare", "لغو اشتراک"),
    "Read this online": ("Читать в браузере", "Citiți pe web", "خواندن در وب"),
}
_RULES = {
    "en": "(n != 1)",
    "ru": "(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2)",
    "ro": "(n==1 ? 0 : (n==0 || (n%100 > 0 && n%100 < 20)) ? 1 : 2)",
    "fa": "(n > 1)",
}


@lru_cache(maxsize=1)
def _shipped() -> Mapping[str, Catalog]:
    return load_catalogs(share_dir() / "templates" / "locale")


def mail_catalogs(languages: tuple[str, ...] = ("en", "ru", "ro", "fa")) -> dict[str, Catalog]:
    """Return catalogs with every phrase of the mails."""
    shipped = _shipped()
    made = {}
    for language in languages:
        place = ("ru", "ro", "fa").index(language) if language != "en" else -1
        forms = {
            phrase: (phrase if place < 0 else translations[place],)
            for phrase, translations in _PHRASES.items()
        }
        known = dict(shipped[language].forms) if language in shipped else {}
        made[language] = Catalog(language, _RULES[language], forms | known)
    return made


def mail_design(catalogs: Mapping[str, Catalog] | None = None) -> Design:
    """Return the design that ships for statements."""
    return _usual_design() if catalogs is None else _design(catalogs)


@lru_cache(maxsize=1)
def _usual_design() -> Design:
    return _design(mail_catalogs())


def _design(catalogs: Mapping[str, Catalog]) -> Design:
    return read_design(share_dir() / "templates", StatementKind.STATEMENT, catalogs)


def picture(name: str = "harbor.png", color: tuple[int, int, int] = (40, 90, 110)) -> Picture:
    """Return a small picture."""
    content = io.BytesIO()
    Image.new("RGB", (480, 200), color).save(content, "PNG")
    return Picture(name, "image/png", 480, 200, content.getvalue())


_ENGLISH = """\
On the morning of 14 October officers searched the **Quiet Harbor Library** in Orlesk.
{% if supporter.city == "Orlesk" %}You know the house: it stands in your city.{% endif %}

![A library by the water.](harbor.png)

## What happened

- the readers' register was taken;
- [the report](https://reports.example.org/library?year=2026&part=1) names every room.

::: quote
attribution: Nadia Orlan, librarian
source: https://archive.example.org/hearing

A book can be carried away. Whoever has read it cannot.
:::

::: quote
attribution: Bita Sahar, from a letter
language: fa

نوری که با هم نگه می‌داریم خاموش نمی‌شود.
:::

::: demand
Give the register back, {{ supporter.name | default("friend") }}.
:::

::: note
We leave out the names of the readers on purpose. #OpenShelves
:::
"""

_RUSSIAN = """\
Утром 14 октября с обыском пришли в **библиотеку «Тихая гавань»** в Орлеске.

![Библиотека у воды.](harbor.png)

## Что произошло

- забрали журнал читателей;
- [доклад](https://reports.example.org/library?year=2026&part=1) называет каждую комнату.

::: quote
attribution: Надя Орлан, библиотекарь
source: https://archive.example.org/hearing

Книгу можно унести. Того, кто её прочёл, — нет.
:::

::: demand
Верните журнал.
:::

::: note
Мы намеренно не называем имён читателей. #OpenShelves
:::
"""

_PERSIAN = """\
صبح ۱۴ اکتبر مأموران **کتابخانهٔ بندر آرام** را در اورلسک بازرسی کردند.

![کتابخانه‌ای کنار آب.](harbor.png)

## چه رخ داد

- دفتر خوانندگان را بردند؛
- [گزارش](https://reports.example.org/library?year=2026&part=1) هر اتاق را نام می‌برد.

::: quote
attribution: نادیا اورلان، کتابدار
source: https://archive.example.org/hearing

کتاب را می‌توان برد؛ کسی را که آن را خوانده است نه.
:::

::: quote
attribution: From the letter of a reader
language: en

The light that we hold together does not go out.
:::

::: demand
دفتر را پس بدهید.
:::

::: note
نام خوانندگان را به عمد نمی‌آوریم. #OpenShelves
:::
"""


def edition(language: str, title: str, body: str, **more: str) -> Edition:
    """Return an edition; what is not given is like its title."""
    values = {
        "subject": title,
        "preheader": f"{title}.",
        "discreet_subject": "",
        "discreet_preheader": "",
        "translated_from": "",
        "content_hash": "0" * 12,
        **more,
    }
    return Edition(language=language, title=title, body=body, **values)


def library_revision(**bodies: str) -> Revision:
    """Return the statement about the library; a body given by language takes that one's place."""
    editions = {
        "en": edition(
            "en",
            "Give the Quiet Harbor Library its books back",
            bodies.get("en", _ENGLISH),
            preheader="Officers took the readers' register. Five lines on what can be done.",
        ),
        "ru": edition(
            "ru",
            "Верните библиотеке «Тихая гавань» её книги",
            bodies.get("ru", _RUSSIAN),
            preheader="Забрали журнал читателей. Что можно сделать.",
        ),
        "fa": edition(
            "fa",
            "کتاب‌های کتابخانهٔ بندر آرام را پس بدهید",
            bodies.get("fa", _PERSIAN),
            preheader="دفتر خوانندگان را بردند.",
        ),
    }
    return with_digest(
        Revision(
            slug="library",
            kind=StatementKind.STATEMENT,
            source_language="en",
            published=None,
            supports=(
                Supported(
                    SupportedKind.ORGANISATION,
                    {
                        "en": "Quiet Harbor Library",
                        "ru": "Библиотека «Тихая гавань»",
                        "fa": "کتابخانهٔ بندر آرام",
                    },
                    "https://library.example.org",
                ),
                Supported(SupportedKind.PERSON, {"en": "Nadia Orlan", "ru": "Надя Орлан"}, ""),
            ),
            hashtags=(Hashtag("#OpenShelves", "https://tags.example.org/open-shelves"),),
            related=(
                RelatedItem(
                    RelatedKind.REPORT,
                    {"en": "What was taken, room by room", "ru": "Что забрали"},
                    "https://reports.example.org/library",
                ),
                RelatedItem(
                    RelatedKind.CAMPAIGN,
                    {"en": "Send the library a book"},
                    "https://campaigns.example.net/books",
                ),
                RelatedItem(RelatedKind.CASE, {"en": "The case"}, "https://cases.example.net/7"),
                RelatedItem(
                    RelatedKind.ORIGINAL, {"en": "On our site"}, "https://harbor.example.org/l"
                ),
            ),
            signatories=(
                Signatory(
                    {
                        "en": "Harbor Solidarity",
                        "ru": "«Гавань солидарности»",
                        "fa": "بندر همبستگی",
                    },
                    "MD",
                    "https://harbor.example.org",
                ),
                Signatory({"en": "Lantern Network", "fa": "شبکهٔ فانوس"}, "LT", ""),
            ),
            and_others=True,
            editions=editions,
            pictures={"harbor.png": picture()},
        )
    )


def one_edition(body: str, language: str = "en", **more: str) -> Revision:
    """Return the library's statement with this body as its only edition."""
    whole = library_revision()
    made = edition(language, whole.editions[language].title, body, **more)
    return with_digest(
        replace(whole, editions={language: made}, source_language=language, pictures={})
    )


def harbor_sender(**changes: object) -> Sender:
    """Return a sender without signatures."""
    return replace(
        Sender(
            key="harbor",
            organisation="harbor",
            name={
                "en": "Harbor Solidarity",
                "ru": "Гавань солидарности",
                "fa": "بندر همبستگی",
            },
            address="news@harbor.example.org",
            reply_to="office@harbor.example.org",
            base_url="https://mail.harbor.example.org",
            return_path_domain="bounces.harbor.example.org",
        ),
        **changes,
    )


def harbor_list(**changes: object) -> ListDefinition:
    """Return a list that declares a city."""
    return replace(
        ListDefinition(
            key="harbor-news",
            name={"en": "Harbor news", "ru": "Новости гавани", "fa": "خبرهای بندر"},
            owner="harbor",
            sender="harbor",
            list_id="news.harbor.example.org",
            consent_basis="consent",
            languages=("en",),
            time_zone="Europe/Chisinau",
            attributes={"city": Attribute("city", AttributeType.TEXT, clear=True)},
        ),
        **changes,
    )


def outgoing(**changes: object) -> OutgoingDelivery:
    """Return a delivery to an invented person."""
    return OutgoingDelivery(
        delivery_id=7,
        mailing_id=1,
        supporter_id=11,
        address_digest=b"d" * 16,
        address="reader@inbox.example.net",
        needs_smtputf8=False,
        fields={"name": "Mara Lind", "country": "MD", "city": ""},
        list_key="harbor-news",
        language="en",
        wanted=None,
        domain_class="other",
        attempt_number=1,
    )._replace(**changes)


def composer(tokens: Tokens, **changes: object) -> MailingComposer:
    """Return a composer of the library's statement; each part may be given instead."""
    parts = {
        "revision": library_revision(),
        "design": mail_design(),
        "sender": harbor_sender(),
        "targets": [harbor_list()],
        "tokens": tokens,
        "signers": (),
        **changes,
    }
    return MailingComposer(**parts)
