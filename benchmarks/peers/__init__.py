"""Other stream processors doing this project's work: run in an environment of their own, `.venv/peers`."""
