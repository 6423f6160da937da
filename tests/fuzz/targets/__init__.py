"""One module for each target; each has a ``TARGET``."""
