"""Orange, Wanadoo, La Poste, SFR, Free, OVH and others that answer in French."""

from mailer.feedback.reading.table import Table, told_of
from mailer.model.feedback import FeedbackReason as Reason

_WHO = (
    "destinataire",
    "utilisateur",
    "compte",
    "adresse",
    "boîte aux lettres",
    "boite aux lettres",
)
_WHO_BEHIND = (
    "inexistant",
    "inexistante",
    "inconnue",
    "introuvable",
    "n'existe pas",
    "non trouvé",
    "non trouvée",
)

TABLE = Table(
    system="Orange, La Poste, SFR, Free",
    words={
        Reason.UNKNOWN_USER: (*told_of(_WHO, behind=_WHO_BEHIND),),
        Reason.MAILBOX_FULL: (
            "boite du destinataire pleine",
            "boîte pleine",
            "boite pleine",
            "boîte aux lettres pleine",
            "quota dépassé",
            "mailbox of the recipient full",
        ),
        Reason.DISABLED: (
            "compte utilisateur inactif",
            "compte * suspendu",
            "compte * désactivé",
            "boite du destinataire archivee",
            "archived recipient",
        ),
        Reason.BLOCKED_AS_SPAM: (
            "mail rejete",
            "message rejete",
            "adresse ip source bloquee",
            "blocked for spamming",
            "contenu refuse",
        ),
        Reason.SENDER_REFUSED: (
            "adresse expediteur",
            "adresse de l'expéditeur",
            "domaine de l'expediteur",
            "domaine de l'expéditeur",
            "expéditeur inconnu",
            "expediteur inconnu",
        ),
        Reason.TOO_MUCH: ("trop de connexions", "trop de messages", "trop de destinataires"),
        Reason.SYSTEM: ("service refuse", "veuillez essayer plus tard", "veuillez ressayer"),
        Reason.POLICY: ("mail refuse", "non autorise"),
    },
    certain={
        Reason.UNKNOWN_USER: (
            "adresse d au moins un destinataire invalide",
            "adresse destinataire invalide",
            "destinataire inconnu",
            "utilisateur inconnu",
            "adresse inexistante",
            "boîte aux lettres inexistante",
            "boite aux lettres inexistante",
        ),
    },
)
