"""Models made from the pipelines' own output, or given by path."""
