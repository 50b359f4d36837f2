"""Search methods, the driver that runs many at once, and the ledger of what they cost."""
