"""Posts as things: made, read, listed, changed, copied, deleted."""
