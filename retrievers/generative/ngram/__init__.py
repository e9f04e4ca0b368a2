"""Retrieval by n-grams that a model writes and documents hold (Bevilacqua et al. 2022, SEAL, arXiv 2204.10628)."""
