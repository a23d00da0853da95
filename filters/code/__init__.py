"""Code of GitHub: which files stay, their licences, and the boilerplate at their heads."""
