"""What crypto publishes."""
