"""The methods of merging, one family a file; ``method.METHODS`` has them by name."""
