"""Tests of the proxy's configuration: nginx itself in front of API processes."""
