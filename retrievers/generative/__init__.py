"""Retrieval by generating identifiers: the parts that dsi, se_dsi and sid share.

`docids` names documents, `trie` holds the names as tables, `decoder` predicts them token by token and `beam` searches
for the most probable. `decoder`, `beam` and `huggingface` import torch: a retriever imports them where it uses them.
"""
