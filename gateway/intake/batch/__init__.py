"""Import of a legacy tree or table: planned, throttled, resumable, accounted for.

    scan        the tree or table into the ledger                      scan.py
    plan        what would happen, without the network                 plan.py
    run         study by study into the archive                        run.py, meter.py
    report      what became of every file                              report.py, page.py
    verify      whether the archive has what the ledger calls stored   verify.py

Each step works on what the ledger says, and may be typed again after any interruption.
"""
