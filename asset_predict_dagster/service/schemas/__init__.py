"""What is asked and what is answered, route family by route family, with examples."""
