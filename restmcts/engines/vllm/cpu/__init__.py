"""What only vLLM on a CPU needs: an engine in this process and a cache for trees."""
