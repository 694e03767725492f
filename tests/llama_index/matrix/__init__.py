"""What a LlamaIndex LLM should do, as a list that any of them can be held to: `make matrix` prints who does what."""
