"""What a study costs before any of its jobs runs: jobs, hours, memory, disk. Nothing imports torch."""
