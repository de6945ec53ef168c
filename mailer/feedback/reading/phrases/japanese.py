"""Japanese carriers and providers: NTT DOCOMO, KDDI au, SoftBank, Biglobe, m-FILTER.

The carriers answer what their customers' filters do not let through as if nobody were there, so
their words for that count only with a code that bears them out.
"""

from mailer.feedback.reading.table import Table
from mailer.model.feedback import FeedbackReason as Reason

TABLE = Table(
    system="Japanese carriers",
    words={
        Reason.MAILBOX_FULL: (
            "as their mailbox is full",
            "messages in recipient's mailbox exceeded",
            "account is temporarily over quota",
            "mail box is full",
            "メールボックスがいっぱい",
            "メールボックスに空きがありません",
            "容量を超え",
            "容量オーバー",
        ),
        Reason.TOO_MUCH: ("送信数が多い",),
        Reason.UNKNOWN_USER: (
            "recipient address rejected. ",
            "該当するユーザがいません",
            "宛先不明",
            "ユーザが存在しません",
        ),
        Reason.DISABLED: ("account is temporarily limited", "account is disabled"),
        Reason.TOO_BIG: ("メールサイズが大き",),
        Reason.POLICY: ("受信拒否", "受信を拒否"),
    },
    certain={Reason.UNKNOWN_USER: ("no valid recipients for this mm",)},
    # au names the address when nobody is there, and leaves it out when the person's filter refuses.
    overruling={Reason.POLICY: ("550 : user unknown", "550: : user unknown")},
)
