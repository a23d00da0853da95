"""LaTeX of arXiv: a paper's files to one text, macros expanded."""
