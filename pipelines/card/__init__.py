"""The corpus card: what the manifests, bounded samples and a run's log say of a corpus, as one page and two data cards.

manifests ─ facts ─┐
documents, drops ─ samples ─ measures, distributions ─┤
changes.json ─ differences ─┤
RUN/log.jsonl ─ training ─┤
another corpus ─ compare ─┴─> page (plots) ─> report.html;  facts ─ publish ─> README.md, croissant.json
"""
