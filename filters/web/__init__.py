"""Pages of the web by CCNet's and C4's rules, and personal information in any text."""
