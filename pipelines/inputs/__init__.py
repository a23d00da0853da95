"""What happens before a dump is opened: globs, listings, downloads, the paper's own list."""
