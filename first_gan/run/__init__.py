"""A run: its folder, its checkpoints, its command line, its end."""
