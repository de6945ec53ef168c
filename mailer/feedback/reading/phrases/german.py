"""GMX, WEB.DE, 1&1, T-Online and others that answer in German."""

from mailer.feedback.reading.table import Table
from mailer.model.feedback import FeedbackReason as Reason

TABLE = Table(
    system="GMX, WEB.DE, T-Online",
    words={
        Reason.UNKNOWN_USER: (
            "empfaenger unbekannt",
            "unbekannter empfaenger",
            "adresse unbekannt",
            "kein solcher benutzer",
            "kein solcher empfänger",
            "kein solches postfach",
            "benutzer existiert nicht",
            "adresse existiert nicht",
            "konto existiert nicht",
            "postfach nicht gefunden",
            "empfänger nicht gefunden",
            "benutzer nicht gefunden",
            "konnte nicht gefunden werden",
            "empfänger ungültig",
            "ungültiger empfänger",
            "benutzer unbekannt",
            "empfänger unbekannt",
            "unbekannter empfänger",
            "unbekannter benutzer",
            "empfänger * existiert nicht",
            "empfängeradresse ist ungültig",
            "postfach existiert nicht",
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
