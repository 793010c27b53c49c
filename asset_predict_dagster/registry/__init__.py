"""Which model we trust."""
