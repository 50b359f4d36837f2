"""What the phases of :mod:`restmcts.loops.phases` do."""
