"""Keeping: the only code that touches disk, object stores, SQL and git."""
