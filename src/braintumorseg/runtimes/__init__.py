"""Runtimes: one a file, each with one function from a model's input to its output."""
