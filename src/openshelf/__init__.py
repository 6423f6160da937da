"""Openshelf: a self-hosted home for open AI."""

__version__ = "0.1.0"
