"""Mail.ru, Yandex, Rambler, i.ua and others that answer in Russian or Ukrainian."""

from mailer.feedback.reading.table import Table, told_of
from mailer.model.feedback import FeedbackReason as Reason

_RUSSIAN = ("пользователь", "получатель", "адресат", "адрес", "ящик", "почтовый ящик", "абонент")
_RUSSIAN_BEFORE = ("неизвестный", "несуществующий")
_RUSSIAN_BEHIND = ("не существует", "не найден", "неизвестен", "не зарегистрирован")
_RUSSIAN_OF = (
    "пользователя",
    "получателя",
    "адресата",
    "адреса",
    "ящика",
    "почтового ящика",
    "абонента",
)
_RUSSIAN_OF_BEFORE = ("нет такого",)
_RUSSIAN_OF_BEHIND = ("не существует", "нет")
_UKRAINIAN = (
    "користувач",
    "отримувач",
    "одержувач",
    "адресат",
    "адреса",
    "адресу",
    "скринька",
    "скриньку",
    "користувача",
    "отримувача",
    "одержувача",
    "адреси",
    "скриньки",
)
_UKRAINIAN_BEFORE = ("невідомий", "немає такого", "немає такої", "такого", "такої")
_UKRAINIAN_BEHIND = (
    "не існує",
    "не знайдено",
    "невідомий",
    "не зареєстрований",
    "не зареєстровано",
)

TABLE = Table(
    system="Mail.ru, Yandex, Rambler",
    words={
        Reason.UNKNOWN_USER: (
            *told_of(_RUSSIAN, before=_RUSSIAN_BEFORE, behind=_RUSSIAN_BEHIND),
            *told_of(_RUSSIAN_OF, before=_RUSSIAN_OF_BEFORE, behind=_RUSSIAN_OF_BEHIND),
            *told_of(_UKRAINIAN, before=_UKRAINIAN_BEFORE, behind=_UKRAINIAN_BEHIND),
            "message was not accepted -- invalid mailbox",
            "такого пользователя нет",
            "такого адреса не существует",
            "такой учетной записи не существует",
            "поштову скриньку не знайдено",
        ),
        Reason.DISABLED: (
            "local mailbox * is unavailable: account is disabled",
            "mailbox is frozen",
            "користувач заблокований",
            "користувача заблоковано",
            "аккаунт заблокирован",
            "учетная запись отключена",
            "ящик заблокирован",
            "учетная запись заблокирована",
            "пользователь заблокирован",
            "скриньку заблоковано",
            "mailbox is blocked",
            "mailbox blocked",
        ),
        Reason.MAILBOX_FULL: (
            "квота превышена",
            "переповнена",
            "перевищено квоту",
            "квоту перевищено",
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
        Reason.SENDER_REFUSED: ("отправителя", "відправника"),
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
