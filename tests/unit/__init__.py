"""Unit tests, mirroring worker/ path for path."""
