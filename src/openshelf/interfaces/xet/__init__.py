"""The Xet store as its clients speak to it (Xet notes, sections 6 to 8)."""
