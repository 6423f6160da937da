"""Real clients against a live hub. See README.md in this folder."""
