"""Readers of weights, one a format: the tensors by name, shape and place, without reading their values."""
