"""Make the picture of the README: a phantom, segmented by resunet-lgg. Run it again when the weights change.

python tools/make_picture.py docs/assets/overlay.png
"""

import io
import sys
from pathlib import Path

from PIL import Image

from braintumorseg import load_pretrained, make_study, overlay


def main(path):
    study = make_study(seed=0)
    figure = overlay(study, load_pretrained("resunet-lgg").predict(study), max_slices=4)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=100)
    Image.open(buffer).convert("RGB").quantize(96).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
