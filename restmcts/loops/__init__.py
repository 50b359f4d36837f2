"""The self-training loops, and what a loop is made of.

A loop, also one of another distribution, may use:

- :class:`restmcts.loops.registry.Loop` to register itself, with a class of settings;
- :class:`restmcts.loops.run.Run`, which it is handed: recipe, problems, iterations and stored samples;
- the phases of :mod:`restmcts.loops.phases`, each done once; their results are :mod:`restmcts.loops.results`;
- :class:`restmcts.workers.base.Models`, the names of the models that a phase searches with.
"""
