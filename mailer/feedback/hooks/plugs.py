"""Make the hooks that config.toml names: ours, and those of other packages.

In: the config; what fetches from SNS, and what knows of events on record. Out: hooks by their keys,
or every fault. A package brings a hook for another provider by an entry point of the group
`mailer.feedback_hooks`: its name is the `kind` in config.toml, and it is called with `HookSettings`.
See docs/webhooks.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import entry_points

from mailer.config import CONFIG_FILE, Config, HookSection
from mailer.feedback.hooks.certificates import Fetch
from mailer.feedback.hooks.mailgun import MailgunHook
from mailer.feedback.hooks.postmark import PostmarkHook
from mailer.feedback.hooks.receiving import Hook
from mailer.feedback.hooks.ses import SesHook
from mailer.model.faults import Fault, FaultsFound

#: The entry points' group.
GROUP = "mailer.feedback_hooks"

#: Tells whether an event of a source is on record: (source, event id).
IsKnown = Callable[[str, str], bool]


@dataclass(frozen=True)
class HookSettings:
    """What config.toml says of a hook of another package."""

    #: Key of the hook.
    key: str
    #: What `secret_file` or `secret_env` holds; "" for neither. Never printed.
    secret: str = field(repr=False)
    #: `[feedback.hooks.<key>.settings]`.
    settings: Mapping[str, str]


#: What an entry point of the group leads to.
Factory = Callable[[HookSettings], Hook]


def make_hooks(config: Config, fetch: Fetch, is_known: IsKnown) -> Mapping[str, Hook]:
    """Return the hooks of `[feedback.hooks]` by their keys.

    Raises:
        FaultsFound: with every hook whose secret or package is not there.
    """
    hooks: dict[str, Hook] = {}
    faults: list[Fault] = []
    for key, section in config.feedback.hooks.items():
        try:
            secret = config.hook_secret(key)
            hooks[key] = _make(key, section, secret, fetch, is_known)
        except FaultsFound as error:
            faults += error.faults
    if faults:
        raise FaultsFound(faults)
    return hooks


def _make(key: str, section: HookSection, secret: str, fetch: Fetch, is_known: IsKnown) -> Hook:
    match section.kind:
        case "ses":
            return SesHook(frozenset(section.topics), fetch)
        case "postmark":
            return PostmarkHook(secret, username=section.username, header=section.header)
        case "mailgun":
            return MailgunHook(secret, partial(is_known, key))
        case _:
            return _of_package(section.kind, HookSettings(key, secret, section.settings))


def _of_package(kind: str, settings: HookSettings) -> Hook:
    found = next(iter(entry_points(group=GROUP, name=kind)), None)
    field = f"feedback.hooks.{settings.key}.kind"
    if found is None:
        remedy = 'Write "ses", "postmark" or "mailgun", or install the package that brings it'
        raise FaultsFound([Fault(CONFIG_FILE, 0, field, f'no package brings "{kind}"', remedy)])
    try:
        factory: Factory = found.load()
        return factory(settings)
    except FaultsFound:
        # It says itself what is wrong with its settings.
        raise
    except Exception as error:
        problem = f"its package fails: {type(error).__name__}"
        remedy = "Install it again, or ask who wrote it"
        raise FaultsFound([Fault(CONFIG_FILE, 0, field, problem, remedy)]) from error
