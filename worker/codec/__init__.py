"""Bytes to model and back; no network."""
