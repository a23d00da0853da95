"""What is asked: the tasks as data, one file for each family, and their rows made questions or prompts."""
