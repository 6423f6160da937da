"""What weights say: how two checkpoints differ, what several make together, what a contribution is."""
