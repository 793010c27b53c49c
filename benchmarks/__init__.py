"""Speed claims, both sides in one run. `make benchmarks` prints them; nothing in CI is timed."""
