"""Tencent QQ, NetEase (163, 126), Sina and others in China."""

from mailer.feedback.reading.table import Table
from mailer.model.feedback import FeedbackReason as Reason

TABLE = Table(
    system="QQ, 163, Sina",
    words={
        Reason.UNKNOWN_USER: (
            "mailbox unavailable or access denied",
            "user not exist",
            "用户未找到",
            "找不到收件人",
            "找不到用户",
            "账号不存在",
            "帐号不存在",
            "账户不存在",
            "用户不存在",
            "收件人不存在",
            "邮箱不存在",
            "地址不存在",
        ),
        Reason.MAILBOX_FULL: ("邮箱已满", "邮箱空间不足", "超出邮箱容量"),
        Reason.DISABLED: ("邮箱已被禁用", "用户被锁定"),
        Reason.TOO_MUCH: (
            "frequency limited",
            "frequency is limited",
            "rp:trc",
            "rp:rcl",
            "rp:cel",
            "rp:qrc",
            "mi:stc",
        ),
        Reason.BLOCKED_AS_SPAM: (
            "suspected bounce attack",
            "mail content denied",
            "dt:spm",
            "dt:sum",
            "mi:spb",
            "mi:dmc",
            "ip:db",
            "垃圾邮件",
        ),
        Reason.SENDER_REFUSED: ("mi:nhd", "hl:itc"),
    },
)
