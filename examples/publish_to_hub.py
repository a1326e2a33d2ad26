"""Publish a trained model on the Hugging Face Hub, with its scores and its licence, and load it from there as others will.

Needs: an account, and a token that may write (`hf auth login`, or HF_TOKEN); the folder of a trained model, such as that
of a training run; studies with masks that it was not trained on. Takes: a few seconds a study, and the upload of megabytes.

    python examples/publish_to_hub.py me/meningioma --model runs/mine --data held-out --licence "CC BY 4.0" --private
    python examples/publish_to_hub.py me/rehearsal --smoke --private

With --smoke, a tiny network that nobody trained is measured on a phantom and published: a rehearsal of every step.
HF_ENDPOINT names another Hub than huggingface.co.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from phantoms import write_phantoms

from braintumorseg import Preprocessing, Segmenter, build_unet, evaluate, find_studies, load_pretrained
from braintumorseg.zoo import push_to_hub, write_card


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repo", help="owner/name")
    parser.add_argument("--model", type=Path, help="folder of the trained model")
    parser.add_argument("--data", type=Path, help="folder of held-out studies with masks")
    parser.add_argument("--licence", help="of the weights; that of the data may bind you")
    parser.add_argument("--private", action="store_true", help="a repository that is made is seen by its owner alone")
    parser.add_argument("--smoke", action="store_true", help="a tiny network and one phantom instead")
    args = parser.parse_args()
    if not args.smoke and not (args.model and args.data and args.licence):
        parser.error("--model, --data and --licence are needed, or --smoke")

    with TemporaryDirectory() as scratch:
        folder = Path(scratch, "preset")
        if args.smoke:
            args.data, args.licence = Path(scratch, "phantoms"), "CC0-1.0"
            write_phantoms(args.data, seeds=[0])
            segmenter = Segmenter(build_unet(filters=(4, 8)), Preprocessing(size=32), name="rehearsal")
            segmenter.save(folder)
        else:
            segmenter = load_pretrained(args.model)
            segmenter.save(folder)  # a copy: the run's own folder stays as training left it

        # A card has no score but what is measured here, on patients that the model never saw.
        evaluation = evaluate(segmenter, find_studies(args.data))
        card = write_card(folder, f"held-out patients of {args.data.name}", evaluation)
        segmenter = load_pretrained(folder)
        segmenter.card = replace(card, licence=args.licence)
        pin = push_to_hub(segmenter, args.repo, private=args.private)

    address = f"hf://{pin.repo}@{pin.commit}"
    again = load_pretrained(address)
    print(f'published and verified; load it with: load_pretrained("{address}")\n{again.card}')


if __name__ == "__main__":
    main()
