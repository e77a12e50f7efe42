"""Profiles, settings and rules: every version kept, in the same log."""
