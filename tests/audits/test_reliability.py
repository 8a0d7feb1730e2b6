"""A small share of `nox -s reliability`; and bad input for each of its checks."""

import json
import os
import shlex
import shutil
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from audits.reliability import Fault, Result, corruptions
from audits.reliability import __main__ as command_line
from audits.reliability.corruptions import memory_limit, try_case, watch
from audits.reliability.damage import DAMAGES
from audits.reliability.doomed import Doom
from audits.reliability.samples import victims
from audits.reliability.strings import check_terminal, check_tokenizer, draw_strings, tokenizer_of
from audits.reliability.trainings import (
    FAILURES,
    STEPS,
    Ended,
    Unbroken,
    check_cleaned,
    check_explained,
    check_finished,
    check_state,
    leftovers,
    plan,
    train,
    train_unbroken,
    try_directory,
    why_not_mount,
)
from shared.checkpoints import tensors as tensor_files


@pytest.fixture
def report(tmp_path, monkeypatch) -> Path:
    path = tmp_path / "build" / "reliability.json"
    monkeypatch.setattr(command_line, "REPORT", path)
    return path


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> Unbroken:
    """An uninterrupted training in NumPy. Read-only."""
    return train_unbroken("numpy", tmp_path_factory.mktemp("unbroken"))


@pytest.fixture
def run(unbroken, tmp_path) -> Path:
    """The directory of another one that ended in the same way."""
    return shutil.copytree(unbroken.run, tmp_path / "run")


# Trainings


def test_killed_trainings_end_as_the_one_that_was_not(unbroken, tmp_path):
    def in_torch():
        return try_directory("torch-0", 1, 0, train_unbroken("torch", tmp_path), tmp_path)

    with ThreadPoolExecutor(2) as pool:
        torch = pool.submit(in_torch)
        both = [try_directory("numpy-0", 3, 0, unbroken, tmp_path), torch.result()]
    for results, kills in zip(both, (3, 1), strict=True):
        assert {result.kind for result in results} == {"well"}
        assert sum(result.how.startswith("killed while") for result in results) == kills
        assert results[-1].how == "ended as if unbroken"


def test_disks_that_fail_lose_nothing(unbroken, tmp_path):
    def fail(failure):
        return try_directory(f"numpy-{failure}", 0, 0, unbroken, tmp_path)

    with ThreadPoolExecutor(2) as pool:
        results = [result for results in pool.map(fail, FAILURES) for result in results]
    skipped = ["skipped"] if why_not_mount() else ["well"]
    assert [result.kind for result in results] == [*skipped * 2, "well"], results


def test_a_hundred_kills_are_shared_out():
    kills = Counter()
    for case, number in plan(100).items():
        kills[case.partition("-")[0]] += number
    assert kills == {"numpy": 60, "torch": 20, "jax": 20}
    assert not plan(0)


def test_a_blow_falls_at_its_event(unbroken, tmp_path):
    doom = Doom(tmp_path / "run", at=14, within="checkpoints")
    ended = train(unbroken, doom)
    assert ended.status == -signal.SIGKILL
    (left,) = leftovers(doom.run)
    files = {path.name for path in (doom.run / "checkpoints" / left).iterdir()}
    assert "optimizer.safetensors" in files
    assert "model.safetensors" not in files
    assert check_state(doom.run, unbroken, least=2) == 2
    with pytest.raises(Fault, match="step 4 was saved"):
        check_state(doom.run, unbroken, least=4)


def test_what_kills_must_not_do_is_noticed(run, unbroken):
    newest = run / "checkpoints" / f"{STEPS:06d}"
    model = newest / "model.safetensors"
    whole, rows = model.read_bytes(), (run / "metrics.jsonl").read_bytes()
    check_state(run, unbroken, STEPS)
    check_finished(run, unbroken)

    model.write_bytes(whole[:-1])
    with pytest.raises(Fault, match="what is taken for a checkpoint is none"):
        check_state(run, unbroken, -1)
    model.write_bytes(whole)
    (newest / "notes").write_text("")
    with pytest.raises(Fault, match="holds"):
        check_state(run, unbroken, -1)
    (newest / "notes").unlink()

    lines = rows.splitlines(keepends=True)
    for wrong in (lines[:-1], lines[:5] + lines[4:], [*lines[:-2], b"\n", *lines[-2:]]):
        (run / "metrics.jsonl").write_bytes(b"".join(wrong))
        with pytest.raises(Fault, match=r"metrics\.jsonl"):
            check_state(run, unbroken, -1)
    (run / "metrics.jsonl").write_bytes(rows)

    other = run / "checkpoints" / f"{STEPS - 2:06d}"
    (newest / "training.json").write_bytes((other / "training.json").read_bytes())
    with pytest.raises(Fault, match=r"training\.json is not the unbroken run's"):
        check_finished(run, unbroken)
    shutil.rmtree(newest)
    with pytest.raises(Fault, match=f"step {STEPS} was saved"):
        check_state(run, unbroken, STEPS)


def test_leftovers_are_noticed(run, unbroken):
    left = {".000004.tmp-1-ab"}
    (run / "checkpoints" / ".000004.tmp-1-ab").mkdir()
    with pytest.raises(Fault, match="holds"):
        check_finished(run, unbroken)
    assert check_cleaned(run, set()) == left
    assert check_cleaned(run, left) == left
    (run / "checkpoints" / ".000006.tmp-1-ab").mkdir()
    with pytest.raises(Fault, match="did not clean"):
        check_cleaned(run, left)


@pytest.mark.parametrize(
    ("status", "stderr"),
    [
        (0, "saved"),
        (2, "error: something else"),
        (2, "error: a disk is full\n" + "and\n" * 9),
        (1, "error: disk"),
        (1, "Traceback (most recent call last):\nOSError: disk"),
        (-9, "error: disk"),
    ],
)
def test_an_end_that_is_not_explained_is_noticed(status, stderr):
    check_explained(Ended(2, "step 1\nerror: the disk is full\nnone saved\n"), "disk")
    with pytest.raises(Fault):
        check_explained(Ended(status, stderr), "disk")


# Corruptions


def test_corrupted_checkpoints_are_refused_or_read_as_what_they_are(report):
    assert command_line.main(["--only", "corruptions", "--corruptions", "600"]) == 0
    table = json.loads(report.read_text())
    assert table["tried"] == 600
    assert {row["name"] for row in table["rows"]} == {f"corruptions: {name}" for name in DAMAGES}
    refused = {row["name"]: row["ended well"].get("refused", 0) for row in table["rows"]}
    assert min(refused.values()) > 0
    assert sum(refused.values()) > 500


@pytest.mark.parametrize(
    ("damage", "weakened"),
    [
        ("not finite", "_check_finite"),
        ("bits flipped", "check_content"),
        ("tensors exchanged", "check_manifest"),
    ],
)
def test_a_loader_that_checks_less_is_found_out(tmp_path, monkeypatch, damage, weakened):
    one_of_ours = [victim.name for victim in victims()].index("ours")
    first = one_of_ours * len(DAMAGES) + list(DAMAGES).index(damage)
    cases = [first + i * len(DAMAGES) * len(victims()) for i in range(15)]
    assert {try_case(case, 0, tmp_path).kind for case in cases} == {"well"}
    monkeypatch.setattr(tensor_files, weakened, lambda *arguments: None)
    assert "wrongly accepted" in {try_case(case, 0, tmp_path).kind for case in cases}


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), MemoryError(), type("PanicException", (BaseException,), {})("x")],
)
def test_an_error_of_another_kind_is_found_out(tmp_path, monkeypatch, error):
    def broken(path):
        raise error

    monkeypatch.setattr(corruptions, "load_checkpoint", broken)
    assert try_case(0, 0, tmp_path).kind == "traceback"


@pytest.mark.parametrize("message", ["{}: two\nlines", "{}: \x1b[2J", "no path", "{}" + "x" * 501])
def test_an_error_of_more_than_a_line_is_found_out(tmp_path, monkeypatch, message):
    def broken(path):
        raise corruptions.CheckpointError(message.format(path))

    monkeypatch.setattr(corruptions, "load_checkpoint", broken)
    assert "not one clear line" in try_case(0, 0, tmp_path).how


def troubled(case, seed, directory):
    """Work that crashes at case 1 and hangs at case 3."""
    if case == 1:
        os.kill(os.getpid(), signal.SIGSEGV)
    if case == 3:
        time.sleep(60)
    return Result("", str(case), "refused")


def test_crashes_and_hangs_are_found_out():
    results = watch(range(5), 0, troubled, seconds=1)
    assert [result.case for result in results] == ["0", "1", "2", "3", "4"]
    assert [result.kind for result in results] == [*["well", "traceback"] * 2, "well"]
    assert "crashed" in results[1].how
    assert "no end" in results[3].how


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_memory_without_bound_is_found_out(tmp_path):
    with memory_limit(tmp_path), pytest.raises(MemoryError):
        bytearray(2**30)
    assert len(bytearray(2**28)) == 2**28


# Strings


def test_strings_of_all_unicode(report):
    assert command_line.main(["--only", "strings", "--strings", "300"]) == 0
    rows = {row["name"]: row for row in json.loads(report.read_text())["rows"]}
    assert {row["tried"] for row in rows.values()} == {300}
    assert rows["strings: byte"]["ended well"] == {"given back exactly": 300}
    assert rows["strings: bpe"]["ended well"] == {"given back exactly": 300}
    assert len(rows["strings: char"]["ended well"]) == 2
    assert len(rows["strings: word"]["ended well"]) == 2


def test_the_strings_come_from_every_plane():
    texts = draw_strings(2000, 0)
    characters = set().union(*texts)
    assert {ord(c) >> 16 for c in characters} == set(range(17))
    assert not {c for c in characters if 0xD800 <= ord(c) <= 0xDFFF}
    assert characters >= {"\0", "\x1b", "\x9b", "\r", "\u2028", "\u202e", "\u200d", "\u0301"}
    assert max(map(len, texts)) > 1000
    assert texts[:9] == draw_strings(2000, 0)[:9]
    assert texts[:9] != draw_strings(2000, 1)[:9]


@pytest.mark.parametrize("kind", ["byte", "char", "word", "bpe"])
def test_a_tokenizer_that_loses_something_is_found_out(monkeypatch, kind):
    tokenizer = tokenizer_of(kind)
    text = "But, soft!"
    assert check_tokenizer(kind, text) == "given back exactly"
    decode = tokenizer.decode
    with monkeypatch.context() as patch:
        patch.setattr(tokenizer, "decode", lambda ids: decode(ids).rstrip("!"))
        with pytest.raises(Fault, match="became"):
            check_tokenizer(kind, text)
    with monkeypatch.context() as patch:
        patch.setattr(tokenizer, "decode", lambda ids: text)
        patch.setattr(tokenizer, "decode_stream", lambda ids: iter(["But", ", soft"]))
        with pytest.raises(Fault, match="streamed"):
            check_tokenizer(kind, text)


def test_what_is_unknown_must_be_said(monkeypatch):
    assert check_tokenizer("char", "Bq\u0416") == "said what is unknown"
    assert check_tokenizer("word", "soft zebra") == "said what is unknown"
    monkeypatch.setattr(tokenizer_of("char"), "check", lambda text: None)
    with pytest.raises(Fault, match="was encoded"):
        check_tokenizer("char", "\u0416")
    monkeypatch.setattr(tokenizer_of("word"), "unknown_words", lambda text: Counter())
    with pytest.raises(Fault, match="became"):
        check_tokenizer("word", "soft zebra")


def test_a_terminal_that_is_commanded_is_found_out(monkeypatch):
    assert check_terminal("a\x1b[2J\x9b\r\tb\n") == "shown without controls"
    escaped = "shared.commands.sampling.escape_controls"
    monkeypatch.setattr(escaped, lambda text: text.replace("\x1b", "?"))
    with pytest.raises(Fault, match="a terminal is sent"):
        check_terminal("\x9b1A")
    with pytest.raises(Fault, match="is shown as"):
        check_terminal("\x1b")


# The command line


def test_a_loss_is_shown_with_the_command_that_repeats_it(report, monkeypatch, capsys):
    monkeypatch.setattr("shared.commands.sampling.escape_controls", str)
    assert command_line.main(["--only", "strings", "--strings", "40", "--seed", "3"]) == 1
    again = capsys.readouterr().out.split("again: ")[1].partition("\n")[0]
    program = "python -m audits.reliability --only strings --seed 3 --case "
    assert again.startswith(f"{program}'terminal:")
    report.unlink()
    assert command_line.main(shlex.split(again)[3:]) == 1
    assert "1 tried" in capsys.readouterr().out
    assert not report.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--kills", "-1"], "kills is -1"),
        (["--processes", "0"], "processes is 0"),
        (["--case", "3"], "--only"),
        (["--only", "strings", "--case", "byte"], "there is no case 'byte'"),
        (["--only", "strings", "--case", "syllable:'a'"], "there is no case \"syllable:'a'\""),
        (["--only", "corruptions", "--case", "x"], "there is no case 'x'"),
        (["--only", "kills", "--case", "cobol-1"], "there is no case 'cobol-1'"),
        (["--only", "everything"], "everything"),
    ],
)
def test_bad_options_are_explained(options, words, capsys):
    status = command_line.main(options)
    shown = capsys.readouterr()
    assert status == 2
    assert shown.out == ""
    assert words in shown.err
    assert "error: " in shown.err
    assert "Traceback" not in shown.err
