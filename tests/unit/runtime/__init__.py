"""Tests of worker.runtime."""
