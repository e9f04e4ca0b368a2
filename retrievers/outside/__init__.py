"""Systems that answer elsewhere: files, functions, servers and other libraries."""
