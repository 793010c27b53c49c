"""Loading the code location, which every process of Dagster does, beside loading Dagster."""

from benchmarks.timing import cpu_seconds_of_process


def run() -> str:
    dagster = cpu_seconds_of_process("import dagster")
    location = cpu_seconds_of_process("import asset_predict_dagster.definitions")
    return (
        f"code location: {location:.2f} CPU s, `import dagster` alone {dagster:.2f}:"
        f" {location / dagster:.1f} times"
    )
