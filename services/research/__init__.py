"""The research stage: facts about the topic, each with a source."""
