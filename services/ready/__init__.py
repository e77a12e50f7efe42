"""The ready stage: front matter and placed pictures, without a changed word."""
