"""What is claimed about speed, for anyone to run: `python -m benchmarks`."""
