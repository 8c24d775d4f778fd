"""The fold: events of a thread, in order, into its state; one file per family of events."""
