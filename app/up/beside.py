"""Settings for a command that runs beside `tocsin up`: they are in its data directory."""

from __future__ import annotations

from msgspec.structs import replace

from app.embedded.errors import EmbeddedServerError
from app.embedded.running import find_running
from app.settings import Settings, SettingsError
from app.up.kept_encryption_keys import FILE as ENCRYPTION_KEYS


def beside_up(settings: Settings) -> Settings:
    """The same with the servers and the encryption keys of what runs; what is set stays as it is.

    Raises:
        SettingsError: When that is another user's, or has servers that only it was told of.
    """
    if settings.primary_url is not None and settings.redis_url is not None:
        return settings
    try:
        running = find_running(settings.data_dir)
        if running is None:
            return settings
        found = replace(
            settings,
            primary_url=settings.primary_url or running.primary,
            replica_urls=settings.replica_urls if settings.primary_url else running.replicas,
            redis_url=settings.redis_url or running.redis,
        )
        given = {"TOCSIN_PRIMARY_URL": found.primary_url, "TOCSIN_REDIS_URL": found.redis_url}
        for name in (name for name, url in given.items() if url is None):
            raise SettingsError(
                f"What runs in {settings.data_dir} has a server of your own: set {name} here, too."
            )
        kept = settings.data_dir / ENCRYPTION_KEYS
        if found.encryption_keys or not kept.exists():
            return found
        return replace(found, encryption_keys=tuple(kept.read_text().strip().split(",")))
    except (EmbeddedServerError, OSError) as error:
        raise SettingsError(str(error)) from None
