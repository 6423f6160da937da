"""git-lfs."""
