"""Run every benchmark and print a line each."""

from benchmarks import code_location, cotahist_reader, evaluation, features, forest, lstm, serving

for benchmark in (code_location, cotahist_reader, features, forest, lstm, serving, evaluation):
    print(benchmark.run(), flush=True)
