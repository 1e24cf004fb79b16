"""A run folder as one page, report.html, or several as one comparison. Reads files alone; needs neither torch nor a network."""
