"""Settings: from arguments, the environment (`CUTLIST_*`) or `[tool.cutlist]` in pyproject.toml, in that order."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    PyprojectTomlConfigSettingsSource,
    SettingsConfigDict,
)


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
        default=512 * 2**20, ge=2**20, description="upper bound on the media bytes that are read ahead"
    )
    cache_dir: Path = Field(
        default=Path("~/.cache/cutlist"), description="local folder for selections of roots that are not local"
    )

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
