"""Polish, Czech, Slovak, Dutch and Turkish."""

from mailer.feedback.reading.table import Table
from mailer.model.feedback import FeedbackReason as Reason

TABLE = Table(
    system="Providers in Poland, Czechia, Slovakia, the Netherlands, Turkey",
    words={
        Reason.UNKNOWN_USER: (
            "nie istnieje",
            "nie ma takiego",
            "nieznany adresat",
            "nieznany odbiorca",
            "nieznany uzytkownik",
            "nieznany użytkownik",
            "adresat nieznany",
            "odbiorca nieznany",
            "neexistuje",
            "neznámý uživatel",
            "neznamy uzivatel",
            "neznámy používateľ",
            "gebruiker onbekend",
            "onbekende gebruiker",
            "ontvanger onbekend",
            "bestaat niet",
            "kullanıcı bulunamadı",
            "alıcı bulunamadı",
            "kullanici bulunamadi",
            "böyle bir kullanıcı yok",
            "bilinmeyen kullanıcı",
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
