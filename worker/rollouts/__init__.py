"""Rollout files on disk: finding, reading and following them."""
