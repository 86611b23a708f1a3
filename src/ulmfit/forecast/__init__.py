"""What a study costs before its jobs run: how many, hours, memory, disk. Imports no torch."""
