"""Build the delivery engine of a workspace, and send one mailing in the foreground.

In: a workspace. Out: a `DeliveryEngine` wired to the sandbox, or to the relay once live.
"""

from __future__ import annotations

import asyncio
import signal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mailer.app.languages import resolver_for
from mailer.app.workspace import Workspace
