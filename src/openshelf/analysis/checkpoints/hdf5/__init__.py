"""HDF5, read by a process of its own that has neither files nor network."""
