"""Reading: bytes in, values out; usable without a hub."""
