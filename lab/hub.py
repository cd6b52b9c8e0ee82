"""Whether the Hugging Face hub can be reached: one short try a process, so that no library waits for it again."""

from __future__ import annotations

import os
import sys
from functools import cache

SECONDS = 5.0


@cache
def unreachable() -> str:
    """Why nothing can be had from the hub, in words; empty where it answers, or where `HF_HUB_OFFLINE` is set already.

    Without an answer within `SECONDS` huggingface_hub's offline mode is switched on, for this process and for those
    that it starts: what was downloaded before is found, and anything else is told at once instead of after a minute
    of retries.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    if constants.is_offline_mode():
        return ""
    try:
        get_session().head(constants.ENDPOINT, timeout=SECONDS)
    except Exception:  # of whichever library is below: no answer is no answer
        os.environ["HF_HUB_OFFLINE"] = "1"
        for module in ("huggingface_hub.constants", "datasets.config"):
            if module in sys.modules:
                vars(sys.modules[module])["HF_HUB_OFFLINE"] = True
        return f"{constants.ENDPOINT} cannot be reached"
    return ""
