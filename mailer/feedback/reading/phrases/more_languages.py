"""Polish, Czech, Slovak, Dutch and Turkish."""

from mailer.feedback.reading.table import Table, told_of
from mailer.model.feedback import FeedbackReason as Reason

_POLISH = ("adresat", "odbiorca", "użytkownik", "uzytkownik", "konto", "adres", "skrzynka")
_POLISH_BEFORE = ("nieznany", "nieznane", "nieznana")
_POLISH_BEHIND = ("nieznany", "nieznane", "nieznana", "nie istnieje")
_DUTCH = ("gebruiker", "ontvanger", "adres", "mailbox", "postvak")
_DUTCH_BEFORE = ("onbekende",)
_DUTCH_BEHIND = ("onbekend", "bestaat niet", "niet gevonden")
_TURKISH = ("kullanıcı", "alıcı", "adres", "hesap", "kullanici", "alici")
_TURKISH_BEFORE = ("bilinmeyen",)
_TURKISH_BEHIND = ("bulunamadı", "bulunamadi", "mevcut değil", "yok")

TABLE = Table(
    system="Providers in Poland, Czechia, Slovakia, the Netherlands, Turkey",
    words={
        Reason.UNKNOWN_USER: (
            *told_of(_POLISH, before=_POLISH_BEFORE, behind=_POLISH_BEHIND),
            *told_of(_DUTCH, before=_DUTCH_BEFORE, behind=_DUTCH_BEHIND),
            *told_of(_TURKISH, before=_TURKISH_BEFORE, behind=_TURKISH_BEHIND),
            "nie istnieje",
            "nie ma takiego",
            "neexistuje",
            "neznámý uživatel",
            "neznamy uzivatel",
            "neznámy používateľ",
            "bestaat niet",
            "böyle bir kullanıcı yok",
        ),
        Reason.MAILBOX_FULL: (
            "skrzynka przepelniona",
            "skrzynka przepełniona",
            "skrzynka odbiorcy jest pełna",
            "skrzynka odbiorcy jest przepełniona",
            "schránka je plná",
            "schranka je plna",
            "postvak vol",
            "mailbox vol",
            "kotası dolu",
            "kutusu dolu",
        ),
        Reason.DISABLED: (
            "konto zablokowane",
            "konto nieaktywne",
            "skrzynka zablokowana",
            "schránka je zablokovaná",
        ),
        Reason.BLOCKED_AS_SPAM: ("odrzucona jako spam",),
        Reason.SENDER_REFUSED: ("nadawcy", "odesílatele", "van de afzender", "gönderenin"),
    },
)
