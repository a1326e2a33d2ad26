"""Time prediction against peers, all in one run and in turn, as one table of ratios.

Run: ``python benchmarks/bench_speed.py [--rounds 5] [--preset resunet-lgg]`` with ``pip install torch==2.13.0`` beside the
package (a peer of the benchmark alone). The peer is the reference network of the LGG dataset (7.8 M weights), written here
afresh with the same layers and widths, random weights, and in channels-last, its fastest layout on a CPU; and a script that
reads a folder of TIFFs, normalises, predicts and writes a NIfTI mask with it. Seconds differ between machines and with what
else they do; ratios of what was timed in turn differ less. Each figure is the median over the rounds.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from table import Row, print_table

from braintumorseg import Segmentation, load_pretrained, make_study, predict_many, read_study, write_segmentation
from braintumorseg.runtimes.openvino import Runner

SLICES = 24
STUDIES = 20
LARGE = (155, 240, 240)
PEER = '''
import sys
from pathlib import Path
import nibabel, numpy as np, torch
from PIL import Image
from torch import nn

def block(inside, out):
    layers = []
    for source in (inside, out):
        layers += [nn.Conv2d(source, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)

class Reference(nn.Module):
    """Four levels of 32 to 256 channels, a bottleneck of 512, transposed convolutions, a sigmoid."""
    def __init__(self):
        super().__init__()
        widths = [32, 64, 128, 256, 512]
        self.down = nn.ModuleList(block(a, b) for a, b in zip([3, *widths], widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * b, b, 2, 2) for b in widths[-2::-1])
        self.join = nn.ModuleList(block(2 * b, b) for b in widths[-2::-1])
        self.head = nn.Conv2d(32, 1, 1)
    def forward(self, x):
        skips = []
        for level in self.down[:-1]:
            skips.append(level(x))
            x = nn.functional.max_pool2d(skips[-1], 2)
        x = self.down[-1](x)
        for up, join in zip(self.up, self.join):
            x = join(torch.cat([up(x), skips.pop()], 1))
        return torch.sigmoid(self.head(x))

model = Reference().eval().to(memory_format=torch.channels_last)

def predict(images, batch=8):
    """From (slices, height, width, 3) to (slices, height, width)."""
    stack = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    with torch.inference_mode():
        parts = [model(part.contiguous(memory_format=torch.channels_last))[:, 0] for part in stack.split(batch)]
    return torch.cat(parts).numpy()

def main(folder, target):
    files = sorted(Path(folder).glob("*.tif"), key=lambda path: int(path.stem.rpartition("_")[2]))
    images = np.stack([np.asarray(Image.open(path)) for path in files]).astype(np.float32)
    low, high = np.percentile(images, (10, 99), axis=(0, 1, 2))
    images = np.clip(images, low, high)
    images = ((images - images.mean(axis=(0, 1, 2))) / images.std(axis=(0, 1, 2))).astype(np.float32)
    mask = (predict(images) > 0.5).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(mask.transpose(2, 1, 0), np.eye(4)), target)
'''
# Not ru_maxrss, which children inherit over exec: it would never lie below the benchmark's own. Linux alone has this mark.
MEMORY = "print(next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmHWM')) / 1024)"


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turn(rounds: int, **works: Callable[[], object]) -> dict[str, float]:
    """Time each in turn, once without counting it; return the medians."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(rounds + 1):
        for name, work in works.items():
            took = seconds(work)
            if turn:
                times[name].append(took)
    return {name: statistics.median(each) for name, each in times.items()}


def write_folder(folder: Path, seed: int, shape: tuple[int, int, int]) -> Path:
    """Write a phantom as the LGG dataset does."""
    folder.mkdir(parents=True)
    for number, image in enumerate(make_study(seed, shape=shape).volume.round().astype(np.uint8), start=1):
        Image.fromarray(image).save(folder / f"{folder.name}_{number}.tif")
    return folder


def process(script: str) -> Callable[[], str]:
    """Return a call of a fresh interpreter; what it prints."""
    command = [sys.executable, "-c", script]
    return lambda: subprocess.run(command, capture_output=True, text=True, check=True).stdout


def flops(preset: str) -> float:
    """Count multiplications and additions of the network's convolutions for one slice."""
    segmenter = load_pretrained(preset)
    graph, size, total = segmenter.network().graph, segmenter.preprocessing.size, 0
    sides = graph.sides(size, size)
    for node in graph.nodes[1:]:
        # A transposed convolution uses each kernel once for each pixel of its input, others for each of their output.
        height, width = sides[node.inputs[0] if node.kind == "Conv2DTranspose" else node.name]
        total += 2 * height * width * math.prod(graph.shapes.get(f"{node.name}/kernel", (0,)))
    return total


def gemm_rate() -> float:
    """Return the machine's rate of multiplications and additions in float32, measured on square matrices."""
    side = 2048
    one, other = np.random.default_rng(0).random((2, side, side), np.float32)
    return 2 * side**3 / min(seconds(lambda: one @ other) for _ in range(5))


def measure(preset: str, rounds: int) -> list[Row]:
    """Measure a preset against the peers."""
    segmenter = load_pretrained(preset)
    network, size, own = segmenter.network(), segmenter.preprocessing.size, segmenter.precision
    peer: dict = {}
    exec(PEER, peer)  # the script above, which the whole process is timed with too
    rows: list[Row] = []

    def row(what: str, ours: str, peers: str, ratio: float) -> None:
        rows.append(Row(what, ours, peers, ratio))

    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        folders = [write_folder(work / "in" / f"p{seed}", seed, (SLICES, 256, 256)) for seed in range(STUDIES)]
        one, mask = folders[0], work / "mask.nii.gz"
        prepared = segmenter.preprocessing.apply(make_study(0, shape=(SLICES, 256, 256))).images
        full = np.random.default_rng(0).normal(size=(SLICES, 256, 256, 3)).astype(np.float32)
        exact = Runner(network, "float32")
        rounded = Runner(network, "int8") if network.quantization else None
        quick = {"int8": lambda: rounded(prepared, 8)} if rounded else {}

        def whole() -> None:
            write_segmentation(segmenter.predict(one), mask, overwrite=True)

        def around() -> None:
            ready = segmenter.preprocessing.apply(read_study(one))
            restored = segmenter.preprocessing.restore(np.zeros(ready.images.shape[:3], np.float32), ready.placement)
            write_segmentation(Segmentation(restored > 0.5), mask, overwrite=True)

        times = in_turn(
            rounds,
            float32=lambda: exact(prepared, 8),
            whole=whole,
            around=around,
            peer_full=lambda: peer["predict"](full),
            peer_size=lambda: peer["predict"](prepared),
            keras=lambda: segmenter.model.predict(prepared, batch_size=8, verbose=0),
            **quick,
        )
        each = {name: 1000 * value / SLICES for name, value in times.items()}
        row("network alone, float32, ms a slice", f"{each['float32']:.1f}", f"{each['peer_size']:.1f} PyTorch at {size}",
            each["peer_size"] / each["float32"])  # fmt: skip
        row("", "", f"{each['keras']:.1f} Keras predict, same weights", each["keras"] / each["float32"])
        if quick:
            row("network alone, int8, ms a slice", f"{each['int8']:.1f}", f"{each['float32']:.1f} our float32",
                each["float32"] / each["int8"])  # fmt: skip
        row(f"study read to written ({own}), ms a slice", f"{each['whole']:.1f}",
            f"{each['peer_full']:.1f} PyTorch reference network alone at 256", each["peer_full"] / each["whole"])  # fmt: skip
        row("reading, preprocessing, restoring and writing, ms a slice", f"{each['around']:.1f}",
            f"{each['float32']:.1f} our network in float32", each["float32"] / each["around"])  # fmt: skip
        peak, done = gemm_rate(), flops(preset) * SLICES / times["float32"]
        row("float32 network, GFLOP/s", f"{done / 1e9:.0f}", f"{peak / 1e9:.0f} matrix product", done / peak)

        ours = (
            "import sys; from braintumorseg.cli import main; "
            f"sys.argv = ['braintumorseg', 'predict', {str(one)!r}, '-o', {str(mask)!r}, '--overwrite', "
            f"'--preset', {preset!r}]; main()"
        )
        theirs = f"{PEER}\nmain({str(one)!r}, {str(mask)!r})"
        times = in_turn(rounds, ours=process(ours), theirs=process(theirs))
        row("whole process, one study, s", f"{times['ours']:.2f}", f"{times['theirs']:.2f} PyTorch script",
            times["theirs"] / times["ours"])  # fmt: skip
        imports = in_turn(
            rounds,
            ours=process("import braintumorseg"),
            torch=process("import torch"),
            keras=process("import keras"),
        )
        row("import, whole process, s", f"{imports['ours']:.2f}", f"{imports['torch']:.2f} torch",
            imports["torch"] / imports["ours"])  # fmt: skip
        row("", "", f"{imports['keras']:.2f} keras", imports["keras"] / imports["ours"])

        def write(segmentation: Segmentation, folder: Path) -> None:
            write_segmentation(segmentation, work / "masks" / f"{folder.name}.nii.gz", overwrite=True)

        def runs() -> None:
            for folder in folders:
                write(load_pretrained(preset).predict(folder), folder)

        def singly() -> None:
            for folder in folders:
                write(segmenter.predict(folder), folder)

        def together() -> None:
            for found in predict_many(segmenter, folders, then=lambda study, found, folder: write(found, folder)):
                assert found.error is None

        times = in_turn(max(1, rounds // 2), runs=runs, singly=singly, together=together)
        rate = {name: f"{60 * STUDIES / value:.0f}" for name, value in times.items()}
        row(f"folder of {STUDIES} studies, studies a minute", rate["together"],
            f"{rate['runs']} single runs, each loads the preset", times["runs"] / times["together"])  # fmt: skip
        row("", "", f"{rate['singly']} one after the other, loaded once", times["singly"] / times["together"])

        large = write_folder(work / "large", 0, LARGE)
        memory = {
            name: float(process(f"{script}\n{MEMORY}")().split()[-1])
            for name, script in (
                ("ours", f"import braintumorseg as b\nfound = b.load_pretrained({preset!r}).predict({str(large)!r})\n"
                 f"b.write_segmentation(found, {str(mask)!r}, overwrite=True)"),
                ("theirs", f"{PEER}\nmain({str(large)!r}, {str(mask)!r})"),
            )
        }  # fmt: skip
        row("peak memory, 155x240x240, MiB", f"{memory['ours']:.0f}", f"{memory['theirs']:.0f} PyTorch script",
            memory["theirs"] / memory["ours"])  # fmt: skip
    return rows


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--preset", default="resunet-lgg")
    options = arguments.parse_args()
    rows = measure(options.preset, options.rounds)
    print_table(f"{options.preset}, {os.cpu_count()} cores, median of {options.rounds} rounds in turn", rows)


if __name__ == "__main__":
    main()
