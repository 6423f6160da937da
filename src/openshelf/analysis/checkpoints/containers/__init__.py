"""Ways of putting many things into one file, which several formats share."""
