"""Beginnings of files that alone tell every tensor."""
