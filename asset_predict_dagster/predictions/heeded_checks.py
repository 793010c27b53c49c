"""Heeded checks: the promises of tables without which nothing is said. Dagster keeps the verdicts.

Who holds them (`pipeline/failed_checks.py`) and who asks about them from outside
(`service/checks.py`) mean the same ones.
"""

READ_BY_MODELS = ("raw_quotes", "quotes", "universe", "features")
"""What a forecast is made from: while a check fails there, nothing is said and nothing trained."""

SOURCE_ANSWERED, EVERY_FILE_WAS_READ = "source_answered", "every_file_was_read"

REFUSED_FILES = "refused_files"
"""Label under which `every_file_was_read` notes what was left out: a list of {file, reason}."""

OF_ABSENCE = ("quotes_are_fresh", SOURCE_ANSWERED, EVERY_FILE_WAS_READ)
"""Checks that fail when prices do not come. What there is, is as good as before, and can be learned
from, also from a history that ended years ago: `model_health` says that it is old."""
