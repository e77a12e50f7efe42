"""The `galley` command."""

from shared.cli.app import main

__all__ = ["main"]
