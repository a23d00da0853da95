"""What must add up: counts of every stage, damage that was found, a build's summary."""
