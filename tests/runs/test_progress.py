from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from lab.runs import interrupt
from lab.runs.outcome import Outcome
from lab.runs.progress import Lines, Live, Progress, RunView, duration

JOB = SimpleNamespace(id="3fa9c0ffee00", label="rate=[red]0.1[/red], seed 0")


def stage(name: str) -> dict:
    return {"run": JOB.id, "event": "stage", "name": name}


def progress(epoch: int, epochs: int = 10, **metrics: float | None) -> dict:
    return {"run": JOB.id, "event": "progress", "epoch": epoch, "epochs": epochs, "metrics": metrics}


def view() -> tuple[RunView, list[float]]:
    now = [0.0]
    return RunView("a", clock=lambda: now[0]), now


def test_time_left_is_the_speed_so_far_over_what_is_left():
    run, now = view()
    run.update(stage("training"))
    assert run.words() == ("training", "", "", "")
    now[0] = 4.0
    run.update(progress(1))
    assert run.seconds_left() == 36
    now[0] = 6.0
    run.update(progress(2, loss=2.34567, gap=None))
    assert run.seconds_left() == 24
    assert run.words() == ("training", "epoch 2/10", "loss 2.346", "24 s left")


def test_a_resumed_run_counts_only_the_epochs_it_did_itself():
    run, now = view()
    run.update(stage("training"))
    now[0] = 1.0
    run.update(progress(7))
    assert run.seconds_left() is None
    now[0] = 5.0
    run.update(progress(8))
    assert run.seconds_left() == 8


def test_what_comes_before_the_first_epoch_does_not_count():
    run, now = view()
    run.update(stage("training"))
    now[0] = 100.0
    run.update(progress(0))
    now[0] = 102.0
    run.update(progress(1))
    assert run.seconds_left() == 18


def test_a_new_stage_forgets_the_last_one():
    run, now = view()
    run.update(stage("training"))
    now[0] = 3.0
    run.update(progress(3, loss=1.0))
    run.update(stage("evaluating"))
    assert run.words() == ("evaluating", "", "", "")


def tell_everything(display: Progress) -> None:
    display.begin(3, 1)
    display.started(JOB)
    display.event(JOB, stage("training"))
    for epoch in range(1, 10):
        display.event(JOB, progress(epoch, loss=1.0))
    display.event(JOB, {"run": JOB.id, "event": "warning", "text": "few words"})
    display.event(JOB, {"run": JOB.id, "event": "log", "text": "only for the log"})
    display.waiting([JOB])
    display.waiting([JOB])
    display.ended(JOB, Outcome("failed", "ValueError: [bold]x", 65.0), 1, 3)
    display.close()


def test_plain_lines_have_the_time_and_are_few():
    stream = io.StringIO()
    tell_everything(Lines(stream))
    times, texts = zip(*(line.split("  ", 1) for line in stream.getvalue().splitlines()), strict=True)
    assert all(len(time) == 8 and time[2] == time[5] == ":" for time in times)
    name = "rate=[red]0.1[/red], seed 0 (3fa9)"
    assert [text for text in texts if "epoch" not in text] == [
        "3 runs, 1 finished already",
        f"{name}: started",
        f"{name}: training",
        f"{name}: few words",
        "waiting for another process to do 3fa9",
        f"{name}: failed: ValueError: [bold]x (1 of 3 done, 1 failed)",
    ]
    assert len([text for text in texts if "epoch" in text]) == 1, "nine epochs within ten seconds are one line"


def test_quiet_shows_nothing(capfd):
    tell_everything(Progress())
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def console():
    from rich.console import Console

    return Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)


def drawn(display: Live, console) -> str:
    with console.capture() as shown:
        console.print(display._table())
    return shown.get()


def test_a_terminal_shows_a_line_a_run_and_how_many_are_done(console):
    display = Live(console)
    display.begin(3, 1)
    display.started(JOB)
    display.event(JOB, stage("training"))
    display.event(JOB, progress(2, loss=2.5))
    display.close()
    first, last = drawn(display, console).splitlines()
    assert first.split("  ")[:4] == ["rate=[red]0.1[/red], seed 0", "training", "epoch 2/10", "loss 2.5"]
    assert last.startswith("1 of 3 done")


def test_a_terminal_says_that_ctrl_c_was_heard(console):
    display = Live(console)
    with interrupt.catching(display.stopping):
        display.close()
        assert "Ctrl-C again" not in drawn(display, console)
        interrupt.ask()
        assert "Ctrl-C again" in drawn(display, console)


def test_what_configs_and_errors_say_is_no_markup(console):
    tell_everything(Live(console))
    text = console.file.getvalue()
    assert "[red]0.1[/red]" in text
    assert "ValueError: [bold]x" in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1:00 min"), (185, "3:05 min"), (7800, "2:10 h")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text
