"""Measurements of speed and memory; nothing in ``src`` or in the study needs them."""
