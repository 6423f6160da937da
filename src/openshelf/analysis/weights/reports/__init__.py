"""The difference of two models for people to read: as text, as a picture, as a page."""
