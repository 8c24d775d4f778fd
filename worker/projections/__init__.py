"""The observers: what changed becomes typed mutations, one file per topic."""
