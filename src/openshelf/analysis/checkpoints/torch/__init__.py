"""What PyTorch puts into its archives."""
