"""Reading differences between texts: which lines belong together, which words in them changed."""
