"""File formats that one stage writes and another reads; nothing here knows what a stage does."""
