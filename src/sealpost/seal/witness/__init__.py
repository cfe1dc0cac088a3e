"""Witnesses of logs (C2SP tlog-witness): a small one of our own, and the client that asks any of them."""
