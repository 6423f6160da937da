"""One module for each format that is written. Nothing that is half written is ever left under its name."""
