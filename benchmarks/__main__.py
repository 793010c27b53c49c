"""Run every benchmark and print a line each."""

from benchmarks import code_location, cotahist_reader, features

for benchmark in (code_location, cotahist_reader, features):
    print(benchmark.run())
