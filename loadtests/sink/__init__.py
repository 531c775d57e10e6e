"""The target that all load is rung at."""
