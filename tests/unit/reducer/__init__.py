"""Tests of worker.reducer."""
