"""Systems that compare each token vector of a query with those of a document."""
