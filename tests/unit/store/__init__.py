"""Tests of where state rests."""
