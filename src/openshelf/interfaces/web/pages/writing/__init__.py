"""Pages by which people write: files sent, made, changed and deleted; repos made and set up."""
