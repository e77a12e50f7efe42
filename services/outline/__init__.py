"""The outline stage: the article's plan, section by section."""
