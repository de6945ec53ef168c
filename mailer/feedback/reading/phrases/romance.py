"""Providers that answer in Spanish, Portuguese, Italian or Romanian."""

from mailer.feedback.reading.table import Table, told_of
from mailer.model.feedback import FeedbackReason as Reason

_SPANISH = ("usuario", "destinatario", "buzón", "buzon", "cuenta", "dirección", "direccion")
_SPANISH_BEFORE = ("no existe el", "no existe la")
_SPANISH_BEHIND = (
    "no existe",
    "inexistente",
    "desconocido",
    "no encontrado",
    "no encontrada",
    "no es conocido",
)
_PORTUGUESE = (
    "usuário",
    "usuario",
    "utilizador",
    "destinatário",
    "destinatario",
    "conta",
    "caixa postal",
    "endereço",
    "endereco",
)
_PORTUGUESE_BEHIND = (
    "não existe",
    "nao existe",
    "inexistente",
    "desconhecido",
    "não encontrado",
    "nao encontrado",
)
_ITALIAN = ("utente", "destinatario", "casella", "indirizzo", "account")
_ITALIAN_BEHIND = (
    "inesistente",
    "sconosciuto",
    "sconosciuta",
    "non esiste",
    "non trovato",
    "non trovata",
)
_ROMANIAN = (
    "utilizator",
    "utilizatorul",
    "destinatar",
    "destinatarul",
    "adresa",
    "contul",
    "căsuța",
    "casuta",
)
_ROMANIAN_BEHIND = (
    "necunoscut",
    "inexistent",
    "inexistentă",
    "inexistenta",
    "nu există",
    "nu exista",
    "nu a fost găsit",
)

TABLE = Table(
    system="Telefónica, UOL, Terra, Libero, Aruba",
    words={
        Reason.UNKNOWN_USER: (
            *told_of(_SPANISH, before=_SPANISH_BEFORE, behind=_SPANISH_BEHIND),
            *told_of(_PORTUGUESE, behind=_PORTUGUESE_BEHIND),
            *told_of(_ITALIAN, behind=_ITALIAN_BEHIND),
            *told_of(_ROMANIAN, behind=_ROMANIAN_BEHIND),
            "el buzón no existe",
            "la casella non esiste",
            "el usuario no existe",
            "mailbox inesistente",
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
        Reason.SENDER_REFUSED: (
            "del remitente",
            "do remetente",
            "del mittente",
            "al expeditorului",
        ),
        Reason.DISABLED: ("cuenta deshabilitada", "conta desativada", "casella disabilitata"),
    },
)
