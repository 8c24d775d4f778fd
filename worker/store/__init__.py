"""Where thread state rests between batches."""
