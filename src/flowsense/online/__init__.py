"""What changes while the service runs: whether the model still fits what it sees."""
