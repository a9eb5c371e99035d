"""Settings: from arguments, the environment (`CUTLIST_*`) or `[tool.cutlist]` in pyproject.toml, in that order."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    PyprojectTomlConfigSettingsSource,
    SettingsConfigDict,
)

from cutlist.errors import SettingsError, listing


def read_settings() -> Settings:
    """Return the settings of the environment and pyproject.toml.

    Raises:
        SettingsError: if one has a value that it cannot have, or pyproject.toml cannot be read; names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise SettingsError(
            f"setting {name} (CUTLIST_{name.upper()}, or [tool.cutlist] in pyproject.toml): "
            f"{first['msg']}, not {first['input']!r}; settings are: {listing(Settings.model_fields)}"
        ) from error
    except (tomllib.TOMLDecodeError, OSError) as error:
        raise SettingsError(f"pyproject.toml: {error}") from error


def num_cores() -> int:
    """Return how many cores this process may use: those that it is bound to, shared by the ranks of this machine."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    ranks = os.environ.get("LOCAL_WORLD_SIZE", "1")
    return max(bound // max(int(ranks), 1), 1) if ranks.isdecimal() else bound


class Settings(BaseSettings):
    """What a user may configure, with defaults that need no configuration.

    Examples:
        >>> Settings(num_threads=4).num_threads
        4
    """

    model_config = SettingsConfigDict(
        env_prefix="CUTLIST_", pyproject_toml_table_header=("tool", "cutlist"), frozen=True, extra="forbid"
    )

    root: str = Field(default=".", description="folder or object-store URI that the tables are in")
    views: str = Field(default="sql", description="folder of the views, one SELECT in each .sql file")
    num_threads: int | None = Field(default=None, ge=1, description="threads that decode; None is one for each core")
    prefetch_bytes: int = Field(
        default=512 * 2**20, ge=2**20, description="media bytes held ahead of training, encoded and again decoded"
    )
    cache_dir: Path = Field(
        default=Path("~/.cache/cutlist"),
        description="local folder for selections and media of roots that are not local",
    )
    cache_bytes: int = Field(
        default=0, ge=0, description="bound on the media of roots that are not local that cache_dir keeps; 0 is none"
    )
    read_attempts: int = Field(default=5, ge=1, description="times that a read is tried when the storage fails")
    read_seconds: float = Field(default=300.0, gt=0, description="time after which no read is tried again")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where settings come from, the first to name one wins."""
        return init_settings, env_settings, PyprojectTomlConfigSettingsSource(settings_cls)
