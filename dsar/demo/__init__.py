"""The demonstration: the whole service does its job once, on real input, with real processes."""
