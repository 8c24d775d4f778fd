"""A throw-away Kafka broker on loopback, for the demo and the tests."""
