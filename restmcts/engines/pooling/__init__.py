"""The engine on vLLM's pooling servers."""
