"""One service does what it may, and its neighbour notices nothing: on real processes."""
