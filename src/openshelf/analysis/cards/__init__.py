"""Cards: the README of a repo, its front matter, and what they say."""
