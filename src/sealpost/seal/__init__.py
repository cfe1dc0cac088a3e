"""Evidence keys, seals of records, the log and its checkpoints, time tokens, certificate and bundle."""
