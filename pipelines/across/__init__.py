"""All sources together: what one has of another's documents, and that training has nothing of what is held out."""
