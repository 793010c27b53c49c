"""What B3 publishes, and what we mean by a quote."""
