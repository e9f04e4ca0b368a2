"""What systems that learn share: examples, training, the choice of the epoch."""
