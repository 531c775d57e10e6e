"""JSON as it is stored and cached, which is what clients are answered: docs/adr/0014."""
