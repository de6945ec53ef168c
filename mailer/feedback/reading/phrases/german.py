"""GMX, WEB.DE, 1&1, T-Online and others that answer in German."""

from mailer.feedback.reading.table import Table, told_of
from mailer.model.feedback import FeedbackReason as Reason

_WHO = (
    "benutzer",
    "nutzer",
    "empfänger",
    "empfaenger",
    "empfängeradresse",
    "adresse",
    "e-mail-adresse",
    "mailadresse",
    "postfach",
    "mailbox",
    "konto",
    "account",
    "teilnehmer",
)
_WHO_BEFORE = (
    "unbekannter",
    "unbekannte",
    "unbekanntes",
    "kein solcher",
    "keine solche",
    "kein solches",
    "ungültiger",
    "ungültige",
)
_WHO_BEHIND = (
    "unbekannt",
    "ist unbekannt",
    "nicht bekannt",
    "ist nicht bekannt",
    "nicht gefunden",
    "wurde nicht gefunden",
    "konnte nicht gefunden werden",
    "existiert nicht",
    "nicht vorhanden",
    "ist nicht vorhanden",
    "ungültig",
    "ist ungültig",
)

TABLE = Table(
    system="GMX, WEB.DE, T-Online",
    words={
        Reason.UNKNOWN_USER: (
            *told_of(_WHO, before=_WHO_BEFORE, behind=_WHO_BEHIND),
            "konnte nicht gefunden werden",
            "empfänger * existiert nicht",
        ),
        Reason.MAILBOX_FULL: (
            "postfach überfüllt",
            "postfach ist überfüllt",
            "postfach ueberfuellt",
            "postfach des empfängers ist voll",
            "postfach des empfaengers ist voll",
            "speicherplatz des empfängers",
            "postfach voll",
            "postfach ist voll",
            "speicherplatz erschöpft",
            "zuviele mails auf dem server",
            "zu viele mails auf dem server",
        ),
        Reason.DISABLED: ("postfach gesperrt", "postfach * deaktiviert"),
        Reason.POLICY: ("reject due to policy restrictions",),
        Reason.AUTHENTICATION: ("bad dns ptr resource record",),
        Reason.SENDER_REFUSED: (
            "absenderadresse",
            "absender abgelehnt",
            "absender unbekannt",
            "unbekannter absender",
            "des absenders",
            "invalid dns mx or a/aaaa resource record",
        ),
        Reason.TOO_MUCH: ("zu viele verbindungen", "mail send limit exceeded"),
    },
    # GMX and WEB.DE have other words for what they refuse by a rule.
    certain={Reason.UNKNOWN_USER: ("mailbox unavailable for explanation visit",)},
)
