"""Contributions: what has to be added to a base to make a new model, in one small file (layout: see ``plan``)."""
