"""Systems that are composed of others."""
