"""A wave as independent tasks, which exchange pointers through files: in this process, on Ray, on Slurm."""
