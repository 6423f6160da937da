"""Measures of the work on weights, beside the programs that do the same; see ``__main__``."""
