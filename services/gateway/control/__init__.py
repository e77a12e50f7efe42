"""From a request to a decision: every route that tells a post what to do."""
