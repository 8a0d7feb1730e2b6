"""Commands that prove something: mutants, oracles, reliability, results, and the benchmark."""
