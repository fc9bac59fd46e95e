"""The durable record of every file, its state and its outcome.

It knows nothing of what files are, nor of the wire: doors tell it what they found and did, and ask it
what to do next.
"""

from gateway.ledger.ledger import Ledger
from gateway.ledger.packing import attributes_digest
from gateway.ledger.records import (
    Claim,
    Difference,
    Entry,
    Facts,
    Growing,
    Identity,
    Numbers,
    Query,
    Ready,
    Result,
)
from gateway.ledger.states import State
from gateway.ledger.trouble import ClaimLost, LedgerBusy, LedgerFull, LedgerUnavailable

__all__ = [
    "Claim",
    "ClaimLost",
    "Difference",
    "Entry",
    "Facts",
    "Growing",
    "Identity",
    "Ledger",
    "LedgerBusy",
    "LedgerFull",
    "LedgerUnavailable",
    "Numbers",
    "Query",
    "Ready",
    "Result",
    "State",
    "attributes_digest",
]
