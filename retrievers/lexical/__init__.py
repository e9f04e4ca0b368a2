"""Systems that compare the words of a query with the words of a document."""
