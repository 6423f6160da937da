"""The hub attacked: what the OWASP list asks for and no other test shows."""
