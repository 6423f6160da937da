"""One module for each format: how its content is known, and how its tensors are listed."""
