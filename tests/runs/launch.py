"""`python launch.py CONFIG [KEY=VALUE…] [-j N]`: what `lab run` does, without the table and report at its end."""

from __future__ import annotations

import sys

from lab.errors import LabError
from lab.runs.launcher import run


def main(config: str, *arguments: str) -> int:
    jobs = int(arguments[arguments.index("-j") + 1]) if "-j" in arguments else 1
    try:
        run(config, [argument for argument in arguments if "=" in argument], jobs=jobs)
    except KeyboardInterrupt:
        return 130
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
