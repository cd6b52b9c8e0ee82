"""What `lab advise` and `lab predict` print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import UserError

if TYPE_CHECKING:
    from lab.predict import Predicted

_LISTED = 5


def print_advice(
    target: str,
    overrides: Sequence[str],
    *,
    text: str | None,
    label: str | None,
    minutes: float,
    jobs: int,
    without_training: bool,
    scores: str,
    unlabelled: str | None,
) -> None:
    """`lab advise`: of a study that has run, or of data."""
    from lab.advise import advise_on_data, advise_on_study, is_study
    from lab.advise.asked import Request

    if not minutes > 0:
        raise UserError(f"--minutes {minutes:g}: expected a number above 0")
    if scores and not without_training:
        raise UserError("--scores goes with --without-training")
    if is_study(target):
        for name, value in (("--text", text), ("--label", label), ("overrides", overrides)):
            if value:
                raise UserError(f"{target} is a study, which has its own data; {name} cannot be given")
    request = Request(target, text, label, minutes, jobs, tuple(overrides))
    if without_training:
        from lab.advise.untrained import look_without_training

        for line in look_without_training(request, scores):
            print(line)
    elif is_study(target):
        from lab.runs.refs import load_study

        advise_on_study(load_study(target), unlabelled=unlabelled)
    else:
        advise_on_data(request, unlabelled=unlabelled)


def print_predictions(run: str, source: str, output: Path) -> None:
    """`lab predict`: write the predictions and say what they are."""
    from lab.atomic import check_writable
    from lab.predict import predict_new

    if output.suffix != ".csv":
        raise UserError(f"{output}: lab predict writes csv; name the file {output.with_suffix('.csv')}")
    check_writable(output)
    predicted = predict_new(run, source)
    predicted.write(output)
    for line in _summary(predicted, output):
        print(line)


def _summary(predicted: Predicted, output: Path) -> list[str]:
    counts = Counter(predicted.labels).most_common()
    shown = ", ".join(f"{name} {number:,}" for name, number in counts[:_LISTED])
    more = f" and {len(counts) - _LISTED} more classes" if len(counts) > _LISTED else ""
    lines = [f"{output}: {len(predicted.items.ids):,} items: {shown}{more}"]
    if predicted.unlike is None:
        lines.append(f"  not said which are unlike the training data: {predicted.why_not}")
    else:
        number = int(predicted.unlike.sum())
        some = f"{number:,} unlike the training data: their labels are guesses (column unlike_training)"
        lines.append(f"  {some if number else 'none is unlike the training data'}")
    if predicted.left_out:
        listed = "; ".join(predicted.left_out[:_LISTED])
        rest = f"; and {len(predicted.left_out) - _LISTED} more" if len(predicted.left_out) > _LISTED else ""
        lines.append(f"  left out, cannot be read: {listed}{rest}")
    return lines
