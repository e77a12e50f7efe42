"""The images stage: a manifest of pictures for the article, and the pictures."""
