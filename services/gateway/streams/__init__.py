"""Events as they happen, and those a client has missed."""
