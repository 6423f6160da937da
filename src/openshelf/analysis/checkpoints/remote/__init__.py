"""Checkpoints that lie on another machine."""
