"""Keeps the turns and items of Codex threads derived from their rollout logs, on Kafka, exactly once."""

__version__ = "0.1.0"
