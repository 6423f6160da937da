"""The words of the hub: frozen dataclasses and pure rules, on the standard library alone."""
