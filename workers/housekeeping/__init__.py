"""Minutely and hourly chores, the clock that enqueues them, and the sweeps."""
