"""Rows and columns: what is in them, and figures about each column."""
