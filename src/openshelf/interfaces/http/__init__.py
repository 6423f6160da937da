"""What the interfaces that speak HTTP share: who asks, where the hub is, errors, bodies and ranges."""
