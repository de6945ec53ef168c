"""The command line: one module per command group; each parses, calls and prints."""

from __future__ import annotations

from mailer.cli.main import main

__all__ = ["main"]
