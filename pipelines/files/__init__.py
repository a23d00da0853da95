"""What is written and how: paths, whole files, locks, tables, runs, and which of them are ours."""
