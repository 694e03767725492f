"""Fuzzing: whatever comes in, what comes out is valid or an error of ours. `make extra WHAT=fuzz` takes ten minutes."""
