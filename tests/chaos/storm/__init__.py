"""A whole plant in bad weather, and what must be true of it afterwards."""
