"""Graphs of ONNX and the tensors in them."""
