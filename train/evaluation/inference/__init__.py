"""What the model answers: a checkpoint opened, log-likelihoods of completions, and prompts continued."""
