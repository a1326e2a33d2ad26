"""What commands write beside masks: measures, pages, and what leads to those of many studies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import braintumorseg as bts

if TYPE_CHECKING:
    from braintumorseg import Segmentation, Segmenter, Study
    from braintumorseg.findings import Findings
    from braintumorseg.report import IndexEntry


class Reports:
    """Writes the measures of each study, and its page if asked; of many studies, one table and one page more."""

    def __init__(self, folder: Path, *, measures: bool, pages: bool, many: bool, overwrite: bool) -> None:
        self.folder, self.measures, self.pages, self.many, self.overwrite = folder, measures, pages, many, overwrite
        self._findings: list[Findings] = []
        self._entries: list[IndexEntry] = []

    def files(self, stem: str) -> list[Path]:
        """Name what a study gets."""
        names = [f"{stem}_measures.json", f"{stem}_measures.csv"] if self.measures else []
        return [self.folder / name for name in [*names, *([f"{stem}_report.html"] if self.pages else [])]]

    @property
    def shared(self) -> list[Path]:
        """Name what all studies get together."""
        names = ["measures.csv"] * (self.many and self.measures) + ["index.html"] * (self.many and self.pages)
        return [self.folder / name for name in names]

    def add(self, study: Study, segmentation: Segmentation, stem: str, segmenter: Segmenter | None) -> None:
        """Write what belongs to one study; nothing where nothing was asked for."""
        files = self.files(stem)
        if not files:
            return
        findings = bts.measure_findings(study, segmentation)
        for file in files:
            if file.suffix == ".html":
                bts.write_report(
                    study, segmentation, file, segmenter=segmenter, findings=findings, overwrite=self.overwrite
                )
                entry = bts.report.IndexEntry.of(study, segmentation, report=file.name, findings=findings)
                self._entries.append(entry)
            else:
                bts.findings.write_findings(findings, file, overwrite=self.overwrite)
        self._findings.append(findings)

    def finish(self) -> None:
        """Write what all studies have together, of those that were added."""
        if not self._findings:
            return
        for file in self.shared:
            if file.suffix == ".html":
                bts.report.write_index(self._entries, file, overwrite=self.overwrite)
            else:
                bts.findings.write_findings(self._findings, file, overwrite=self.overwrite)
