"""Speaking: protocols, pages and commands. Translation only, no decisions."""
