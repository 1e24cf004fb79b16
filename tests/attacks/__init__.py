"""Attacks on every command: bad inputs and faults, generated, each in a process forked from the loaded program (`make attack`)."""
