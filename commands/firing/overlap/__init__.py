"""What the overlap policy makes of a run."""
