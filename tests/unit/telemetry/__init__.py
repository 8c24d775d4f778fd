"""Tests of metrics, health and the port they are served at."""
