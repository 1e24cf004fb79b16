"""Studies: settings tried over seeds, as ordinary runs of train.py, and what came out."""
