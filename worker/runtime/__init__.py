"""The loop: tasks, checkpoints, restore, dead letters; speaks to Kafka and the store through ports."""
