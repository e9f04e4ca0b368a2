"""Collections: documents, queries and judgements, where they come from and how they are kept."""
