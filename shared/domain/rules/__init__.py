"""The rules of a post, by what is asked of it; `decide` is the way in."""
