"""The edit stage: the draft made fit to publish, checked against research and measure."""
