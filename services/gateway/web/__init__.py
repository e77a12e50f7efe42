"""How the gateway speaks HTTP: what may be said, what is answered, and every error."""
