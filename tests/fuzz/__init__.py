"""The gateway against its own OpenAPI document: requests made from it, valid and not."""
