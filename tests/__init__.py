"""Tests of the thread-history worker."""
