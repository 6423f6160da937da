"""Pickles, walked through by a machine that runs nothing."""
