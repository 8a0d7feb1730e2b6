"""A small share of `nox -s reliability`; and bad input for each of its checks."""

import shutil
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from audits.readme import README, markers
from audits.reliability import Fault, Result, corruptions, trainings
from audits.reliability import __main__ as command_line
from audits.reliability.corruptions import memory_limit, try_case, try_corruptions
from audits.reliability.damage import DAMAGES
from audits.reliability.samples import victims
from audits.reliability.trainings import STEPS, Unbroken, check_finished, check_state, try_directory
from shared.checkpoints import tensors as tensor_files


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> Unbroken:
    """An uninterrupted training in NumPy. Read-only."""
    return trainings.train_unbroken("numpy", tmp_path_factory.mktemp("unbroken"))


@pytest.fixture
def run(unbroken, tmp_path) -> Path:
    """The directory of another one that ended in the same way."""
    return shutil.copytree(unbroken.run, tmp_path / "run")


# Trainings


def test_killed_trainings_end_as_the_one_that_was_not(unbroken, tmp_path):
    results = try_directory("numpy-0", 3, 0, unbroken, tmp_path)
    assert not [result for result in results if result.fault]
    assert sum(result.how.startswith("killed while") for result in results) == 3
    assert results[-1].how == "ended as if unbroken"


@pytest.mark.skipif(not trainings.can_mount(), reason="needs unshare(1)")
def test_a_full_disk_loses_nothing(unbroken, tmp_path):
    (result,) = try_directory("numpy-full", 0, 0, unbroken, tmp_path)
    assert not result.fault, result


def test_what_kills_must_not_do_is_noticed(run, unbroken):
    newest, rows = run / "checkpoints" / f"{STEPS:06d}", run / "metrics.jsonl"
    lines = rows.read_bytes().splitlines(keepends=True)
    model = (newest / "model.safetensors").read_bytes()
    older = (run / "checkpoints" / f"{STEPS - 2:06d}" / "training.json").read_bytes()
    check_any = partial(check_state, least=-1)
    check_state(run, unbroken, STEPS)
    check_finished(run, unbroken)
    for check, path, content, message in (
        (check_any, newest / "model.safetensors", model[:-1], "taken for a checkpoint is none"),
        (check_any, newest / "notes", b"", "holds"),
        (check_any, rows, b"".join(lines[:-1]), r"metrics\.jsonl"),
        (check_any, rows, b"".join(lines[:5] + lines[4:]), r"metrics\.jsonl"),
        (check_any, rows, b"".join([*lines[:-2], b"?\n", *lines[-2:]]), r"metrics\.jsonl"),
        (check_finished, run / "checkpoints" / ".000004.tmp-1-ab", b"", "holds"),
        (check_finished, newest / "training.json", older, r"training\.json is not the unbroken"),
    ):
        before = path.read_bytes() if path.exists() else None
        path.write_bytes(content)
        with pytest.raises(Fault, match=message):
            check(run, unbroken)
        path.unlink() if before is None else path.write_bytes(before)
    shutil.rmtree(newest)
    with pytest.raises(Fault, match=f"step {STEPS} was saved"):
        check_state(run, unbroken, STEPS)


def test_an_end_that_is_not_explained_is_noticed():
    def check(status, stderr):
        trainings.check_explained(trainings.Ended([], status, "", stderr), "disk")

    check(2, "step 1\nerror: the disk is full\nnone saved\n")
    for status, stderr in (
        (0, "saved"),
        (2, "error: something else"),
        (2, "error: a disk is full\n" + "and\n" * 9),
        (1, "Traceback (most recent call last):\nOSError: disk"),
        (-9, "error: disk"),
    ):
        with pytest.raises(Fault):
            check(status, stderr)


# Corruptions


def test_corrupted_checkpoints_are_refused_or_read_as_what_they_are():
    results = try_corruptions(400, seed=0, processes=2, case=None)
    assert [result for result in results if result.fault] == []
    refused = Counter(result.row for result in results if result.how == "refused")
    assert set(refused) == set(DAMAGES)
    assert len(results) == 400 > refused.total() > 320


@pytest.mark.parametrize(
    ("damage", "weakened"),
    [
        ("tensors exchanged", "_check_finite"),
        ("bytes changed", "check_content"),
        ("tensors exchanged", "check_manifest"),
    ],
)
def test_a_loader_that_checks_less_is_found_out(tmp_path, monkeypatch, damage, weakened):
    one_of_ours = [victim.name for victim in victims()].index("ours")
    first = one_of_ours * len(DAMAGES) + list(DAMAGES).index(damage)
    cases = [first + i * len(DAMAGES) * len(victims()) for i in range(60)]
    assert not [case for case in cases if try_case(0, case, tmp_path).fault]
    monkeypatch.setattr(tensor_files, weakened, lambda *arguments: None)
    assert [case for case in cases if try_case(0, case, tmp_path).fault]


COMPLAINTS = ["{}: two\nlines", "{}: \x1b[2J", "no path", "{}" + "x" * 501]
ERRORS = [ValueError(), MemoryError(), type("PanicException", (BaseException,), {})()]


@pytest.mark.parametrize("error", [*ERRORS, *map(corruptions.CheckpointError, COMPLAINTS)])
def test_an_error_that_is_not_one_clear_line_is_found_out(tmp_path, monkeypatch, error):
    def broken(path):
        error.args = tuple(text.format(path) for text in error.args)
        raise error

    monkeypatch.setattr(corruptions, "load_checkpoint", broken)
    assert try_case(0, 0, tmp_path).fault


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_memory_without_bound_is_found_out(tmp_path):
    with memory_limit(tmp_path), pytest.raises(MemoryError):
        bytearray(2**30)
    assert len(bytearray(2**28)) == 2**28


def test_the_counts_in_the_readme_are_of_what_is_tried_now():
    begin, end = markers("reliability")
    _, _, rest = README.read_text(encoding="utf-8").partition(begin)
    _, _, *lines = rest.partition(end)[0].splitlines()
    rows = dict(line.strip("| ").split(" | ", 1) for line in lines)
    tried = {part: row.partition(" ")[0] for part, row in rows.items()}
    again = "nox -s reliability -- --update-readme"
    assert list(rows) == ["kills", "corruptions"], again
    assert tried["corruptions"] == f"{command_line.Options.corruptions:,}", again
    assert int(tried["kills"]) >= command_line.Options.kills, again
    assert all(row.endswith(" | 0 | 0") for row in rows.values())


def test_losses_are_counted_by_kind_and_come_with_their_command(monkeypatch, capsys):
    bad = {"1": "Traceback: E", "2": "lost", "3": "lost"}
    results = [Result("stretched", case, how, True) for case, how in bad.items()]
    results.append(Result("stretched", "4", "refused"))
    monkeypatch.setattr(command_line, "try_corruptions", lambda *_: results)
    assert command_line.main(["--only", "corruptions", "--seed", "3"]) == 1
    out = capsys.readouterr().out
    assert "\n| corruptions | 4 | 2 | 1 |\n" in out
    assert "4 tried in 0 s: 3 lost" in out
    assert "again: python -m audits.reliability --only corruptions --seed 3 --case 1" in out
