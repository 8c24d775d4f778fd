"""Chaos: a worker group on a real broker under kills, pauses and cut lines, and an auditor of what it published."""
