"""Mail.ru, Yandex, Rambler, i.ua and others that answer in Russian or Ukrainian."""

from mailer.feedback.reading.table import Table
from mailer.model.feedback import FeedbackReason as Reason

TABLE = Table(
    system="Mail.ru, Yandex, Rambler",
    words={
        Reason.UNKNOWN_USER: (
            "message was not accepted -- invalid mailbox",
            "нет такого пользователя",
            "нет такого ящика",
            "пользователь не найден",
            "адресат не найден",
            "получатель не найден",
            "такого пользователя нет",
            "такого адреса не существует",
            "почтовый ящик не найден",
            "почтового ящика не существует",
            "такой учетной записи не существует",
            "несуществующий адрес",
            "немає такого користувача",
            "користувача не знайдено",
            "поштову скриньку не знайдено",
        ),
        Reason.DISABLED: (
            "local mailbox * is unavailable: account is disabled",
            "mailbox is frozen",
            "ящик заблокирован",
            "учетная запись заблокирована",
            "пользователь заблокирован",
            "скриньку заблоковано",
            "mailbox is blocked",
            "mailbox blocked",
        ),
        Reason.MAILBOX_FULL: (
            "ящик переполнен",
            "ящик получателя переполнен",
            "превышена квота",
            "превышен размер почтового ящика",
            "недостаточно места",
            "скринька переповнена",
        ),
        Reason.BLOCKED_AS_SPAM: (
            "spam message rejected",
            "message rejected under suspicion of spam",
            "подозрение на спам",
            "спам",
        ),
        Reason.POLICY: ("policy rejection on the target address",),
        Reason.TOO_MUCH: ("слишком много",),
        Reason.EXPIRED: ("истекло время", "не удалось доставить в течение"),
    },
    # Mail.ru says it once it has the content, Yandex with a code for rules.
    certain={
        Reason.UNKNOWN_USER: (
            "local mailbox * is unavailable: user not found",
            "5.7.1 no such user!",
        ),
    },
)
