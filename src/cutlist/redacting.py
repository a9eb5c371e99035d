"""Credentials, kept out of what is shown and kept."""

from __future__ import annotations

import os
import re

_NAMES = re.compile(
    r"SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|ACCESS_KEY|ACCOUNT_KEY|PRIVATE_KEY|SAS_KEY", re.IGNORECASE
)
_TYPED = re.compile(r"\bSECRET\b|\b(access_key|key_id|bearer_token|password|session_token)\b\W+\w", re.IGNORECASE)

SHORTEST = 8
"""Characters of a value that is taken for a secret, at least: shorter ones stand in other texts."""


def redacted(text: str) -> str:
    """Return a text without the values of environment variables whose names say that they are secrets.

    Examples:
        >>> os.environ["MY_SECRET_KEY"] = "hunter2-hunter2"
        >>> redacted("403 for hunter2-hunter2 at s3://bucket")
        '403 for *** at s3://bucket'
        >>> del os.environ["MY_SECRET_KEY"]
    """
    values = {value for name, value in os.environ.items() if _NAMES.search(name) and len(value) >= SHORTEST}
    for each in sorted(values, key=len, reverse=True):
        text = text.replace(each, "***")
    return text


def has_secret(text: str) -> bool:
    """Return whether a statement has credentials in it: it is not to be kept.

    Examples:
        >>> has_secret("CREATE SECRET (TYPE s3, KEY_ID 'a')"), has_secret("SELECT caption FROM videos")
        (True, False)
    """
    return _TYPED.search(text) is not None or redacted(text) != text
