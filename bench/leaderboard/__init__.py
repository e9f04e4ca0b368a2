"""Views on finished cells."""
