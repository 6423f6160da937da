"""One module a subject; each has ``routes``, and handlers that take a Visit and give a response."""
