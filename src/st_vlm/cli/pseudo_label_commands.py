"""The commands about videos without 3D labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from st_vlm.cli.options import NumRecordings, SourceOptions, simulated_options, source_options

_RUN, _TRUTH = "A run over videos", "With --evaluate"
_BackendOptions = list[str] | None


def _backend(kind: str) -> typer.models.OptionInfo:
    return typer.Option(
        f"--{kind}-option", help=f"Option of the {kind} backend, NAME=VALUE (repeatable).", show_default=False
    )


def pseudo_label(
    videos: Annotated[
        Path | None,
        typer.Argument(
            help="A folder of videos, or one video; with --evaluate, the recordings of the source.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The run's folder; one that was begun is gone on with.", show_default=False),
    ] = None,
    semantics: Annotated[
        str | None,
        typer.Option(
            help="Who finds the objects: grounded-sam2, edgetam, sam3, onnx or given.", show_default="grounded-sam2"
        ),
    ] = None,
    geometry: Annotated[
        str | None,
        typer.Option(
            help="Who finds depth, lens and poses: depthpro-odometry, ground-plane, given, depth-anything-3, "
            "map-anything or monst3r-metric3d.",
            show_default="depthpro-odometry",
        ),
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(
            help="Who is asked whether a box holds its class: vlm.", rich_help_panel=_RUN, show_default=False
        ),
    ] = None,
    semantics_option: Annotated[_BackendOptions, _backend("semantics")] = None,
    geometry_option: Annotated[_BackendOptions, _backend("geometry")] = None,
    check_option: Annotated[_BackendOptions, _backend("check")] = None,
    self_check: Annotated[
        bool,
        typer.Option(
            "--self-check", help="Run each clip backwards, too, and drop it where both disagree.", rich_help_panel=_RUN
        ),
    ] = False,
    layout: Annotated[
        str,
        typer.Option(help="Of the videos: folder, bdd100k, multisports or llava-video-178k.", rich_help_panel=_RUN),
    ] = "folder",
    licence: Annotated[
        str | None,
        typer.Option(help="Of the videos, as their owner states it.", rich_help_panel=_RUN, show_default=False),
    ] = None,
    domain: Annotated[
        Literal["driving", "sports", "general"] | None,
        typer.Option(
            help="Kind of scene, where the layout does not say it.", rich_help_panel=_RUN, show_default=False
        ),
    ] = None,
    intrinsics: Annotated[
        str | None,
        typer.Option(
            help="fx,fy,cx,cy in pixels, where one camera took all videos.", rich_help_panel=_RUN, show_default=False
        ),
    ] = None,
    camera_height: Annotated[
        float | None,
        typer.Option(help="Metres of that camera above the ground.", rich_help_panel=_RUN, show_default=False),
    ] = None,
    max_clips: Annotated[
        int | None, typer.Option(min=1, help="Of each video.", rich_help_panel=_RUN, show_default=False)
    ] = None,
    max_seconds: Annotated[
        float | None,
        typer.Option(help="Of each video, from its start.", rich_help_panel=_RUN, show_default=False),
    ] = None,
    max_expected_error: Annotated[
        float, typer.Option(help="Of an answer, relative; questions beyond are not asked.", rich_help_panel=_RUN)
    ] = 0.2,
    tasks: Annotated[
        list[str] | None,
        typer.Option("--task", help="Task or group (repeatable).", rich_help_panel=_RUN, show_default="the seven"),
    ] = None,
    balance: Annotated[
        Literal["full", "partial", "none"], typer.Option(help="As for build.", rich_help_panel=_RUN)
    ] = "partial",
    from_stage: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Make this stage and those behind it again: probe, semantics, check, geometry, self-check, lift or "
            "questions.",
            rich_help_panel=_RUN,
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="The last stage to make.", rich_help_panel=_RUN, show_default=False)
    ] = None,
    num_proc: Annotated[
        int, typer.Option(min=1, help="Worker processes of the questions' build.", rich_help_panel=_RUN)
    ] = 1,
    executor: Annotated[
        Literal["local", "ray", "slurm", "jobs"] | None,
        typer.Option(
            help="datatrove executor of the stages: processes of this machine, Ray, Slurm or Hugging Face Jobs.",
            rich_help_panel=_RUN,
            show_default="one clip after the other",
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Tasks of the executor at once; one a GPU.", rich_help_panel=_RUN)
    ] = 1,
    executor_config: Annotated[
        Path | None,
        typer.Option(
            help="YAML file of the executor's arguments; under gpu and cpu those of stages with and without a GPU.",
            rich_help_panel=_RUN,
            show_default=False,
        ),
    ] = None,
    evaluate: Annotated[
        str | None,
        typer.Option(
            help="Label nothing; tell how wrong labels are on a source whose truth is known: simulated, nuscenes, "
            "argoverse2, kitti, or a reader of your own as module:Class.",
            rich_help_panel=_TRUTH,
            show_default=False,
        ),
    ] = None,
    noise: Annotated[
        str, typer.Option(help="What is added to exact parts: none, bar or hard.", rich_help_panel=_TRUTH)
    ] = "none",
    num_recordings: NumRecordings = None,
    causes: Annotated[
        bool,
        typer.Option("--causes", help="Put one true part after another in place.", rich_help_panel=_TRUTH),
    ] = False,
    option: SourceOptions = None,
    seed: Annotated[int, typer.Option(min=0, help="Of draws, questions, simulated scenes and noise.")] = 0,
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="Tables, or one JSON object.")] = "table",
) -> None:
    """Turn videos without 3D labels into questions whose error is known, or tell how wrong such labels are."""
    if evaluate is not None:
        if out is not None:
            raise typer.BadParameter("--evaluate labels nothing: leave --out away.")
        from st_vlm.cli.pseudo_label import evaluate as run_evaluation

        options = {**simulated_options(evaluate, num_recordings, seed), **source_options(option)}
        finds = semantics or "given", source_options(semantics_option, "--semantics-option")
        done = run_evaluation(evaluate, videos, finds, geometry or "given", noise, seed, causes, form, options)
        raise typer.Exit(done)
    if videos is None or out is None:
        raise typer.BadParameter("give a folder of videos and --out, or --evaluate and a source.")
    from st_vlm.building.executor_options import read_options
    from st_vlm.cli.pseudo_label_run import matrix_of, run
    from st_vlm.pseudo_labels.executors import Execution
    from st_vlm.pseudo_labels.run_settings import RunSettings

    settings = RunSettings(
        videos=str(videos.absolute()),
        layout=layout,
        licence=licence,
        domain=domain,
        intrinsics=matrix_of(intrinsics),
        camera_height=camera_height,
        max_clips=max_clips,
        max_seconds=max_seconds,
        semantics=semantics or "grounded-sam2",
        geometry=geometry or "depthpro-odometry",
        check=check,
        semantics_options=source_options(semantics_option, "--semantics-option"),
        geometry_options=source_options(geometry_option, "--geometry-option"),
        check_options=source_options(check_option, "--check-option"),
        self_check=self_check,
        seed=seed,
        max_expected_error=max_expected_error,
        tasks=tuple(tasks or ()),
        balance=balance,
    )
    execution = None
    if executor is not None:
        execution = Execution(executor, workers, options=read_options(executor_config) if executor_config else {})
    raise typer.Exit(run(settings, out, from_stage, until, num_proc, form, execution))


def measure_video(
    video: Annotated[Path, typer.Argument(help="The video.", show_default=False)],
    objects: Annotated[
        list[str] | None,
        typer.Option(
            "--object",
            help='What to measure: a noun, perhaps with a colour, such as "red car" (repeatable).',
            show_default="all",
        ),
    ] = None,
    camera_height: Annotated[
        float | None, typer.Option(help="Metres of the camera above the ground.", show_default=False)
    ] = None,
    focal: Annotated[float | None, typer.Option(help="Focal length in pixels.", show_default=False)] = None,
    intrinsics: Annotated[
        str | None, typer.Option(help="fx,fy,cx,cy in pixels, instead of --focal.", show_default=False)
    ] = None,
    box: Annotated[
        list[str] | None,
        typer.Option(
            help="Follow what is in this box, x1,y1,x2,y2@SECOND in pixels, without a detector (repeatable); its "
            "noun is the --object at the same place.",
            show_default=False,
        ),
    ] = None,
    semantics: Annotated[
        str | None,
        typer.Option(help="Who finds the objects, as for pseudo-label.", show_default="grounded-sam2, or the boxes"),
    ] = None,
    geometry: Annotated[
        str | None,
        typer.Option(
            help="Who finds depth, lens and poses, as for pseudo-label.",
            show_default="ground-plane with --camera-height, else depthpro-odometry",
        ),
    ] = None,
    semantics_option: Annotated[_BackendOptions, _backend("semantics")] = None,
    geometry_option: Annotated[_BackendOptions, _backend("geometry")] = None,
    seconds: Annotated[
        float | None, typer.Option(help="Of the video, from its start.", show_default="all of it")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the annotated videos and the maps from above.", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the draws that carry the uncertainties.")] = 0,
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="A table, or one JSON object.")] = "table",
) -> None:
    """How far, how fast and which way the objects of a video moved, with uncertainties; annotated video and map."""
    from st_vlm.cli.measure_video import measure_video as run
    from st_vlm.cli.pseudo_label_run import matrix_of, pointed

    finds = source_options(semantics_option, "--semantics-option")
    if box:
        if semantics is not None:
            raise typer.BadParameter("--box follows without a detector: leave --semantics away.")
        semantics, finds = "pointed", pointed(box, objects or ())
        objects = None
    found = geometry or ("depthpro-odometry" if camera_height is None else "ground-plane")
    raise typer.Exit(
        run(
            video.absolute(),
            objects or (),
            (semantics or "grounded-sam2", finds),
            (found, source_options(geometry_option, "--geometry-option")),
            focal,
            matrix_of(intrinsics),
            camera_height,
            seconds,
            out,
            seed,
            form,
        )
    )
