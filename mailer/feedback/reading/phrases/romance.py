"""Providers that answer in Spanish, Portuguese, Italian or Romanian."""

from mailer.feedback.reading.table import Table
from mailer.model.feedback import FeedbackReason as Reason

TABLE = Table(
    system="Telefónica, UOL, Terra, Libero, Aruba",
    words={
        Reason.UNKNOWN_USER: (
            "usuario desconocido",
            "el usuario no existe",
            "usuario no existe",
            "destinatario desconocido",
            "no existe el usuario",
            "cuenta no existe",
            "usuário desconhecido",
            "usuario inexistente",
            "usuário inexistente",
            "destinatário inexistente",
            "utente sconosciuto",
            "destinatario sconosciuto",
            "utente non trovato",
            "casella inesistente",
            "mailbox inesistente",
            "utilizator necunoscut",
            "destinatar necunoscut",
            "utilizatorul nu exista",
        ),
        Reason.MAILBOX_FULL: (
            "buzón lleno",
            "buzon lleno",
            "cuota excedida",
            "caixa postal cheia",
            "caixa cheia",
            "casella piena",
            "casella di posta piena",
            "quota superata",
            "casuta este plina",
            "căsuța este plină",
        ),
        Reason.DISABLED: ("cuenta deshabilitada", "conta desativada", "casella disabilitata"),
    },
)
