"""This program beside the lesson's loop, in one run: `make bench`."""
