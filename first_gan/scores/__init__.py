"""Pure measurement: the judge, the quality metrics. Knows no Trainer."""
