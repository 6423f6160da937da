"""What TensorFlow writes: tables of variables, and graphs."""
