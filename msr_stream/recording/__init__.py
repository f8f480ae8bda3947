"""From a run of records to the rows of one transaction, exactly once."""
