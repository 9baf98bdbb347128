"""Requests and tasks over the API."""
