"""How many pipelines a second a machine carries, measured through all eight real services."""
