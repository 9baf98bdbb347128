"""One example for each verb."""
