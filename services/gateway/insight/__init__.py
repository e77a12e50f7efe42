"""What was told, what was paid, and how an article reads."""
