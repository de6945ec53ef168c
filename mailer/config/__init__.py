"""The settings of a workspace: what `config.toml` may say, and how it is read.

In: a workspace folder. Out: a `Config`. `values` knows what one value may be, `sections` what keys
there are, `checks` what they may not say of each other, and `loading` reads the file.
"""

from mailer.config.hooks import FeedbackSection, HookSection
from mailer.config.imap import ImapSection
from mailer.config.loading import RESTORING, load_config, share_dir
from mailer.config.relay import RelaySection
from mailer.config.sections import (
    CONFIG_FILE,
    MOST_SENDERS,
    AlertsSection,
    BreakerSection,
    Config,
    DatabaseSection,
    DeliverySection,
    DkimSection,
    KeysSection,
    OrganisationSection,
    PacingSection,
    RetentionSection,
    SandboxSection,
    ScheduleSection,
    SenderSection,
    WebSection,
    WorkspaceSection,
)

__all__ = [
    "CONFIG_FILE",
    "MOST_SENDERS",
    "RESTORING",
    "AlertsSection",
    "BreakerSection",
    "Config",
    "DatabaseSection",
    "DeliverySection",
    "DkimSection",
    "FeedbackSection",
    "HookSection",
    "ImapSection",
    "KeysSection",
    "OrganisationSection",
    "PacingSection",
    "RelaySection",
    "RetentionSection",
    "SandboxSection",
    "ScheduleSection",
    "SenderSection",
    "WebSection",
    "WorkspaceSection",
    "load_config",
    "share_dir",
]
