"""What we say today, and whether we were right."""
