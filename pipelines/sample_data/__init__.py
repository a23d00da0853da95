"""The sample's real content: the pinned packages it comes from, and one module for each layout of a source."""
