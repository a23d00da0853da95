"""Sources: one each, the chain of its steps visible on one screen."""
