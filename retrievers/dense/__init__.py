"""Systems that compare one vector of a query with one vector of a document."""
