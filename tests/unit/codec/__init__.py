"""Tests of worker.codec."""
