"""Publish a model, its processor, its code and a card as a model repository of the Hugging Face Hub.

    python hub_scripts/push_model.py st-vlm org/st-vlm-tiny --private

Then `AutoModel.from_pretrained("org/st-vlm-tiny")` loads it after `import st_vlm`, and with `trust_remote_code=True`
where the package is not installed. Checkpoints, optimizer states and logs of a run stay at home. Started again, it
uploads what is missing or has changed. Exit codes: 0 done, 2 refused input or a hub that refuses.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from st_vlm.hub_scripts.command import parser, run, upload
from st_vlm.hub_scripts.hub import check_name

from st_vlm.cli.output import say
from st_vlm.models.publishing import prepare_model


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    check_name(options.repo_id)
    with tempfile.TemporaryDirectory() as staging:
        found = prepare_model(
            options.folder,
            Path(staging),
            options.repo_id,
            licence=options.licence,
            base_model=options.base_model,
            dataset=options.dataset,
            revision=options.revision,
        )
        if found.left_out:
            say(f"Not part of the model, so not uploaded: {', '.join(found.left_out)}.")
        return upload(found, options, "model")


def parse(argv: list[str] | None) -> argparse.Namespace:
    made = parser(__doc__, "a model's folder: of save_pretrained, recipes/sft.py or make demo")
    made.add_argument("--licence", default="Apache-2.0", help="of the weights; the terms of your data may bind you")
    made.add_argument("--base_model", help="what it was tuned from, where the folder does not tell")
    made.add_argument("--dataset", help="what it was tuned on, where the folder does not tell")
    return made.parse_args(argv)


if __name__ == "__main__":
    run(main, __file__)
