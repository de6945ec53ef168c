"""Say what came back of an address in the words of the desk's languages.

In: members of enums. Out: phrases. Every member has one, which a test sees to.
"""

from __future__ import annotations

from collections.abc import Mapping

from mailer.desk.phrases import mark
from mailer.model.feedback import FeedbackClass, FeedbackEffect, FeedbackReason

KINDS: Mapping[FeedbackClass, str] = {
    FeedbackClass.HARD: mark("final bounce"),
    FeedbackClass.SOFT: mark("passing bounce"),
    FeedbackClass.DELAYED: mark("delayed, still being tried"),
    FeedbackClass.DELIVERED: mark("delivered or handed on"),
    FeedbackClass.COMPLAINT: mark("complaint"),
    FeedbackClass.OPT_OUT: mark("asks for no more mails"),
    FeedbackClass.AUTO_REPLY: mark("automatic reply"),
    FeedbackClass.AUTHENTICATION_REPORT: mark("report on authentication"),
    FeedbackClass.NOT_A_REPORT: mark("no report"),
}
REASONS: Mapping[FeedbackReason, str] = {
    FeedbackReason.NONE: "",
    FeedbackReason.UNKNOWN_USER: mark("there is no such mailbox"),
    FeedbackReason.UNKNOWN_DOMAIN: mark("the domain takes no mail"),
    FeedbackReason.MOVED: mark("they are somewhere else now"),
    FeedbackReason.DISABLED: mark("the mailbox is shut"),
    FeedbackReason.MAILBOX_FULL: mark("the mailbox is full"),
    FeedbackReason.BLOCKED_AS_SPAM: mark("taken for spam"),
    FeedbackReason.AUTHENTICATION: mark("the sender could not be verified"),
    FeedbackReason.POLICY: mark("a rule of the receiver"),
    FeedbackReason.TOO_MUCH: mark("too much or too fast"),
    FeedbackReason.SENDER_REFUSED: mark("the sender was refused"),
    FeedbackReason.RELAYING: mark("a server on the way passes nothing on"),
    FeedbackReason.TOO_BIG: mark("the mail is too big"),
    FeedbackReason.MALFORMED: mark("the form of the mail"),
    FeedbackReason.NEEDS_SMTPUTF8: mark("a server on the way does not know such addresses"),
    FeedbackReason.DNS: mark("the domain could not be looked up"),
    FeedbackReason.NETWORK: mark("no connection"),
    FeedbackReason.EXPIRED: mark("tried for too long"),
    FeedbackReason.SYSTEM: mark("trouble at the receiver"),
    FeedbackReason.UNCLEAR: mark("it does not say why"),
}
EFFECTS: Mapping[FeedbackEffect, str] = {
    FeedbackEffect.STORED: mark("on record, nothing else"),
    FeedbackEffect.COUNTED: mark("counted in the report"),
    FeedbackEffect.SUPPRESSED: mark("the address is mailed no more"),
    FeedbackEffect.UNSUBSCRIBED: mark("taken off the lists of that mail"),
    FeedbackEffect.TOLD_STAFF: mark("staff were told"),
}

#: What a suppression came from, as its row says.
SUPPRESSION_SOURCES: Mapping[str, str] = {
    "staff": mark("staff"),
    "supporter": mark("the person"),
    "bounce": mark("a bounce"),
    "complaint": mark("a complaint"),
    "import": mark("an import"),
    "suppressions.log": mark("suppressions.log, after a restore"),
}
#: On what ground somebody is mailed; lists may name others of their own.
CONSENT: Mapping[str, str] = {
    "consent": mark("consent"),
    "membership": mark("membership"),
}
