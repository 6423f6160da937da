"""Pages: HTML made on the server. Forms and links do everything; the script only adds comfort."""
