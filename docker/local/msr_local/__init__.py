"""The services around MSR without Docker: what `make demo` starts and the tests use."""
