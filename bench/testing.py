"""For the tests of a plugin's own package: a parameter of pytest for each clause of the contract.

`@pytest.mark.parametrize("outcome", conformance(TfIdf), ids=str)`, and the test calls `outcome.require()`.
"""

from bench.conformance.kit import Outcome, check_class, check_retriever
from bench.registry import own_name
from bench.retriever import Retriever

__all__ = ["Outcome", "check_class", "check_retriever", "conformance"]


def conformance(kind: type[Retriever], **options: object) -> list[Outcome]:
    """What every check of the kit finds of a retriever's class, constructed with some options.

    The class need not be registered. Raises BenchError for an option that it does not accept.
    """
    return list(check_class(kind, own_name(kind), options))
