"""Run every benchmark and print a line each."""

from benchmarks import code_location, cotahist_reader, features, forest, lstm, serving

for benchmark in (code_location, cotahist_reader, features, forest, lstm, serving):
    print(benchmark.run(), flush=True)
