"""The projector: rows in Postgres as a function of the event log, and of nothing else."""
