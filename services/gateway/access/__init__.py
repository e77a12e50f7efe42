"""Who may ask for what: keys, roles, and what every request has to show."""
