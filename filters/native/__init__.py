"""The inner loops in C, and how Python calls them."""
