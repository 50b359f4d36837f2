"""ReST-MCTS*: LLM self-training by process-reward-guided tree search (arXiv 2406.03816)."""

__version__ = "0.1.0"
