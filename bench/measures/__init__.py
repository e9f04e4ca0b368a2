"""How answers are scored: effectiveness, its audit and its uncertainty."""
