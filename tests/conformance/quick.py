"""How the built-in retrievers are tried in seconds."""

from typing import Any

QUICK: dict[str, dict[str, Any]] = {
    "dsi": {"training.epochs": 1},
    "se_dsi": {"training.epochs": 1},
    "ngram": {"training.epochs": 1},
    "sasrec": {"training.epochs": 1},
    "alpharec": {"training.epochs": 1},
    "sgns": {"training.epochs": 1},
    "two-tower": {"training.epochs": 1, "features.digits": 4, "features.components": 8},
    "ilm": {"training.epochs": 1},
    "recobert": {"training.epochs": 1},
    "recformer-small": {f"{stage}.epochs": 1 for stage in ("pretraining", "training", "last_training")},
    "sid-features": {"training.epochs": 1},
    "ada-retrieval": {"training.epochs": 1, "base.training.epochs": 1, "page": 2},
    "sid": {"training.epochs": 1},
    "liger": {"training.epochs": 1},
    "joint-sid": {"training.epochs": 1},
    "m6-rec": {"training.epochs": 1, "training.valid_users": 20},
    "ulmrec-small": {"training.epochs": 1, "users.codes": 4},
    "playlist": {"training.epochs": 1},
    "p5": {"training.epochs": 1},
    "cobra": {"training.epochs": 1},
    "rpg": {"training.epochs": 1, "tokenizer.digits": 4, "tokenizer.components": 8},
    "gqr": {"alpha": [0.5], "steps": [5]},
    "pag": {"writer.training.epochs": 1, "weight": [5]},
}
"""Options under which a system learns in seconds."""

ELSEWHERE = {"callable", "cross-encoder", "http", "run-file"}
"""What a user has to give them, answers or a model, stands for no collection of the kit; see tests/retrievers."""
