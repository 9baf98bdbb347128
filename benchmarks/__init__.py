"""What `make bench` runs: one module a subject, its figures in results.json, its goals in goals.py."""
