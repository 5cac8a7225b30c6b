"""Publish a model, its processor, its code and a card as a model repository of the Hugging Face Hub.

    python hub_scripts/push_model.py st-vlm org/st-vlm-tiny --private

Then `AutoModel.from_pretrained("org/st-vlm-tiny")` loads it after `import st_vlm`, and with `trust_remote_code=True`
where the package is not installed. Checkpoints, optimizer states and logs of a run stay at home. Started again, it
uploads what is missing or has changed. Exit codes: 0 done, 2 refused input or a hub that refuses.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from st_vlm.hub_scripts.hub import check_name, push

from st_vlm.cli.output import counted, say
from st_vlm.errors import InputError
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
        if options.dry_run:
            say(f"{counted(len(found.files), 'file')} of {found.bytes / 1e6:.1f} MB would go to {options.repo_id}.")
            return 0
        done = push(
            found.files,
            options.repo_id,
            repo_type="model",
            private=options.private,
            revision=options.revision,
            message=options.message,
        )
    if done.added or done.deleted:
        say(f"{done.added} files uploaded, {done.deleted} removed, {done.unchanged} unchanged: commit {done.commit}.")
    else:
        say(f"Nothing has changed: all {counted(done.unchanged, 'file')} are there already.")
    print(done.url)
    return 0


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="a model's folder: of save_pretrained, recipes/sft.py or make demo")
    parser.add_argument("repo_id", help="owner/name; made if missing")
    parser.add_argument("--private", action="store_true", help="for your own eyes")
    parser.add_argument("--revision", help="branch, made if missing; default: main")
    parser.add_argument("--message", default="Upload with st-vlm", help="of the commit")
    parser.add_argument("--licence", default="Apache-2.0", help="of the weights; the terms of your data may bind you")
    parser.add_argument("--base_model", help="what it was tuned from, where the folder does not tell")
    parser.add_argument("--dataset", help="what it was tuned on, where the folder does not tell")
    parser.add_argument("--dry_run", action="store_true", help="say what would be uploaded")
    return parser.parse_args(argv)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        print(f"push_model.py: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("push_model.py: interrupted; run the same command again to go on.", file=sys.stderr)
        sys.exit(130)
