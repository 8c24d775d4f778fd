"""Whole rollouts with known outputs."""
