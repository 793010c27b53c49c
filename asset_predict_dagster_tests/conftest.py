"""What holds for every test."""

from hypothesis import settings

# An example that takes longer on a busy machine has not failed.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
