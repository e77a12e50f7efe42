"""A post to take away: articles, archives, images."""
