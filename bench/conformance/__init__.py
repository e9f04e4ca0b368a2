"""Whether a plugin keeps the contract of its interface: small collections, and a check for each clause."""
