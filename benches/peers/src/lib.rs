//! Nothing: the benchmarks and the program `cluster` are the package.
