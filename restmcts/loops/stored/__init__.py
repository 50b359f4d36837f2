"""What commands need of a run that is stored: its models, its lineage, its measurements, other labels."""
