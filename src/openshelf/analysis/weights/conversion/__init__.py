"""One format of weights made of another, where names map one to one; nothing is lost unless its loss is allowed."""
