"""What runs in the environment of the other packages; imports nothing of the service."""
