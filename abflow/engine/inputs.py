"""What a partition or a state was made from, as one hash."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest_of(**parts: Any) -> str:
    """Hash of named parts; any that changes makes another hash."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
