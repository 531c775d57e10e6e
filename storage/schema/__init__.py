"""The tables, their partitions and their migrations."""
