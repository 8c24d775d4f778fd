"""Tests of worker.rollouts."""
