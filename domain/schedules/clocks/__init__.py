"""Wall clocks: zones, and what becomes of times that clocks skip or repeat."""
