"""Figures held against their proof: a published board computed again, others' figures beside ours."""
