"""The Xet protocol."""
