"""One query: what the adapter costs beside its source, at the size of M-MPNet -> CLIP."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import numpy as np
import torch
from encode import build, captions
from measure import Report, arguments, seconds, spread

from m2m_adapters.projectors.affine import AffineProjector, AffineShape


def main() -> None:
    told = arguments(__doc__)
    import m2m_adapters as m2m

    report = Report("Query", "python benchmarks/query.py", ("part", "milliseconds", "share"))
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder))
        source = m2m.load_source(f"st:{folder}/model")
        projector = AffineProjector(AffineShape(768, 512, 1, None, False, "none", "l2")).eval()
        text = captions(1)
        row = torch.from_numpy(source.encode(text))

        def project() -> None:
            with torch.inference_mode():
                for _ in range(100):
                    projector(row)

        encoding = [1000 * s for s in seconds(lambda: source.encode(text), 20)]
        projecting = [10 * s for s in seconds(project, 20)]
        share = statistics.median(projecting) / statistics.median(encoding)
        report.add("source", spread(encoding), "")
        report.add("projector", spread(projecting), f"{100 * share:.2f} %")
    assert np.isfinite(share)
    report.finish(told)


if __name__ == "__main__":
    main()
