"""CPU, memory and latency of a whole Tocsin, and the load that is put on it."""
