"""Budgets at the gateway: shown, set, and looked after."""
