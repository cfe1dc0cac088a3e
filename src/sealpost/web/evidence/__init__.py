"""Evidence for people: bundles to take away, the log, the trust folder and the verifier's page."""
