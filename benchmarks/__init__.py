"""Programs that measure, each with a report; none of them is a test."""
