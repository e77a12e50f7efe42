"""The write stage: a full draft that follows the outline."""
