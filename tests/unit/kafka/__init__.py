"""Tests of worker.kafka, as far as it needs no broker."""
