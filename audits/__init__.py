"""Commands that test or measure: mutants, oracles, reliability, results, and the benchmark."""
