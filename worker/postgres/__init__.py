"""The reference store: mutations as rows of PostgreSQL. The only importer of its driver, an extra."""
