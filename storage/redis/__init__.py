"""How Redis is reached, and the counters that live there."""
