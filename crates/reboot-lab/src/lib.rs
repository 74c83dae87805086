//! A laboratory for tests and benchmarks.
