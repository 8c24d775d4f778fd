"""Tests of worker.projections."""
