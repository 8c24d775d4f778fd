"""Tests against the real broker."""
