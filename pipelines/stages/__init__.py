"""What is to be done: the kinds of stage, a source's chain of them, and one work item of each."""
