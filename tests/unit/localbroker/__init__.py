"""Unit tests of worker/localbroker."""
