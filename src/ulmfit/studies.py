"""Studies and registries on disk: YAML in, plan out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ulmfit.config import paths
from ulmfit.config.files import places
from ulmfit.config.manifest import plain
from ulmfit.config.plan import Plan
from ulmfit.config.published import check_published
from ulmfit.config.study import Experiment, Preset, PublishedTable, Registry, Study, Text, Variant
from ulmfit.config.validation import check, check_name, merge
from ulmfit.errors import UserError


def load_plan(values: Any, config: Path, where: str) -> Plan:
    """A plan from the values of a study and the registries in the folder ``config``.

    ``where`` names the study's file in messages. Raises UserError for anything that is wrong in any
    of the files.
    """
    path = config / "experiments.yaml"
    registered = read_yaml(path)
    # Their mistakes are reported where they stand, whether or not the study names them.
    check(dict[str, Experiment], registered, str(path))
    return Plan(
        check(Study, _with_registered(values, registered, where), where), load_registry(config)
    )


def check_published_files(plan: Plan) -> None:
    """Published files must be there, or have a URL, before any job starts.

    Looks into ``data_mirror``, and for what was fetched or read before into the working folder.
    Raises UserError if the mirror is no folder, or with the names of files that cannot be had.
    """
    study = plan.study
    mirror = None if study.data_mirror is None else Path(study.data_mirror).expanduser()
    if mirror is not None and not mirror.is_dir():
        raise UserError(f"study {study.study}: data_mirror: {mirror}: no such folder")
    missing = []
    for name in plan.texts():
        text = plan.text(name)
        if Path("results", study.study, paths.DOCUMENTS.format(text=name)).exists():
            continue
        for key, place in places(name, text).items():
            versions = text.versions(key)
            if not (
                any(version.path or version.urls for version in versions)
                or Path(place).exists()
                or (mirror and any((mirror / version.name).is_file() for version in versions))
            ):
                missing.append(versions[0].name)
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise UserError(
            f"study {study.study}: {', '.join(missing[:3])}{more}: published at no URL, and not in "
            f"{f'data_mirror {mirror}' if mirror else 'a data_mirror'}: "
            "name the folder that has them with --config data_mirror=FOLDER"
        )


def plan_values(plan: Plan) -> dict[str, Any]:
    """A plan as plain data: what it computes and shows, not where. See `plan_of`."""
    study = plain(plan.study)
    del study["device"], study["data_mirror"]
    return {"study": study, "registry": plain(plan.registry)}


def plan_of(values: dict[str, Any]) -> Plan:
    """The plan that `plan_values` was given."""
    return Plan(
        check(Study, values["study"], "the study"),
        check(Registry, values["registry"], "the registries"),
    )


def _with_registered(values: Any, registered: dict[str, Any], where: str) -> Any:
    """A study's values, its experiments laid over the registered ones of the same name.

    One with a title is the study's own. Else an own `main` would take the sealed fold from the
    registered one. Raises UserError for one that is neither.
    """
    if not isinstance(values, dict) or not isinstance(values.get("experiments"), dict):
        return values
    experiments = {}
    for name, own in values["experiments"].items():
        experiments[name] = own
        if own is None or (isinstance(own, dict) and "title" not in own):
            place = f"{where}: experiments.{name}: has no `title` of its own"
            check_name(name, registered, place, "registered experiment")
            experiments[name] = merge(registered[name] or {}, own or {})
    return {**values, "experiments": experiments}


def load_registry(config: Path) -> Registry:
    """The registries datasets.yaml, variants.yaml, presets.yaml and published.yaml of a folder."""
    texts = read_yaml(config / "datasets.yaml")
    unknown = set(texts) - {"corpora", "datasets"}
    if unknown:
        raise UserError(
            f"{config / 'datasets.yaml'}: unknown key {sorted(unknown)[0]!r}; "
            "known: corpora, datasets"
        )
    where = str(config / "datasets.yaml")
    registry = Registry(
        corpora=check(dict[str, Text], texts.get("corpora", {}), f"{where}: corpora"),
        datasets=check(dict[str, Text], texts.get("datasets", {}), f"{where}: datasets"),
        variants=check(
            dict[str, Variant], read_yaml(config / "variants.yaml"), str(config / "variants.yaml")
        ),
        presets=check(
            dict[str, Preset], read_yaml(config / "presets.yaml"), str(config / "presets.yaml")
        ),
        published=check(
            dict[str, PublishedTable],
            read_yaml(config / "published.yaml"),
            str(config / "published.yaml"),
        ),
    )
    check_published(registry, str(config / "published.yaml"))
    return registry


def load_study(path: Path) -> Plan:
    """A plan from a study's file; the registries are found in the nearest folder above it."""
    config = next(
        (folder for folder in path.resolve().parents if (folder / "variants.yaml").exists()), None
    )
    if config is None:
        raise UserError(f"{path}: no variants.yaml in a folder above; studies live under config/")
    return load_plan(read_yaml(path), config, str(path))


def read_yaml(path: Path) -> Any:
    """A YAML file as plain values; raises UserError with the line of a mistake."""
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 ({error})") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
