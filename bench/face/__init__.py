"""What a notebook and the command line work with: systems, tables and comparisons as objects that show themselves."""
