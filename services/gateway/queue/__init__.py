"""What waits for whom: counts, reviews, dead letters, and the workers."""
