"""How good, and compared with what."""
