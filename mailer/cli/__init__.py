"""The command line: one module per command group; each parses, calls and prints."""


def main() -> None:
    """Run the command line."""
    raise SystemExit("not there yet")
