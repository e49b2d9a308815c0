"""An audit of a bucket: which objects are encrypted, under which key, and what is wrong with them.

Rule: an audit changes nothing, decrypts no body, and keeps no secret. What it reports is the
store's word, unless a key opened the envelope; a key can be retired only if no object that was not
understood could need it.

Imports: everything up to ``bulk``, and no other package of the same layer (``rotation``).

An object passes through ``inspector`` (one HEAD) into the ledger as an ``AuditedObject``;
``summary`` adds the objects up, ``facts`` says how complete that is, and ``Audit`` in ``result``
writes the reports.

Where the next one goes:

- A finding: a row in ``findings.py``, its check in ``inspector.py``, a row in docs/audit.md; if it
  leaves open which key an object needs, a reason in ``retirement.py``.
- A column of the table: a row of ``COLUMNS`` in ``csv_report.py``; a field of the JSON report: the
  mappings in ``json_report.py``, and docs/audit.md.
- A chart: an entry in ``_charts`` of ``html_page.py``, drawn by ``charts.py``.
"""

from cipherbucket.audit.audit_pass import run

__all__ = ["run"]
