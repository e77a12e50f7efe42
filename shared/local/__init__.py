"""Everything on one machine: servers from their wheels and services as child processes."""
