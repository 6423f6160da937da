"""Measurements beside peers; ``python -m bench --help``."""
