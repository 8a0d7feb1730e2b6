"""A small share of `nox -s reliability`; and each of its checks is shown what it must not pass."""

import json
import os
import shutil
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from audits.reliability import __main__ as command_line
from audits.reliability import corruptions, strings
from audits.reliability.corruptions import DAMAGES, memory_limit, try_case, watch
from audits.reliability.disks import FAILURES, run_disk, why_not_mount
from audits.reliability.doomed import READ, Doom
from audits.reliability.kills import Chain, check_cleaned, plan, run_chain, train_unbroken
from audits.reliability.strings import check_terminal, check_tokenizer, draw_string, tokenizer_of
from audits.reliability.tally import Fault
from audits.reliability.trainings import (
    STEPS,
    Ended,
    Unbroken,
    check_explained,
    check_finished,
    check_state,
    start,
    wait,
)
from audits.reliability.victims import victims
from shared.checkpoints import tensors as tensor_files


@pytest.fixture
def report(tmp_path, monkeypatch) -> Path:
    path = tmp_path / "build" / "reliability.json"
    monkeypatch.setattr(command_line, "REPORT", path)
    return path


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory) -> Unbroken:
    """A training in NumPy that nothing happened to. Only to be read."""
    return train_unbroken("numpy", tmp_path_factory.mktemp("unbroken") / "numpy")


@pytest.fixture
def run(unbroken, tmp_path) -> Path:
    """The directory of one that ended as well."""
    return shutil.copytree(unbroken.run, tmp_path / "run")


# Kills


def test_killed_trainings_end_as_the_one_that_was_not(unbroken, tmp_path):
    def in_torch():
        other = train_unbroken("torch", tmp_path / "torch")
        return run_chain(Chain("torch-0", 1), 0, other, tmp_path / "torch-0")

    with ThreadPoolExecutor(2) as pool:
        torch = pool.submit(in_torch)
        numpy = run_chain(Chain("numpy-0", 3), 0, unbroken, tmp_path / "numpy-0")
        tallies = [numpy, torch.result()]
    assert [tally.tried for tally in tallies] == [3, 1]
    assert all(tally.endings["runs ended as if unbroken"] for tally in tallies)
    assert not [found for tally in tallies for found in tally.found]


def test_a_hundred_kills_are_shared_out():
    kills = Counter()
    for chain in plan(100):
        kills[chain.backend] += chain.kills
    assert kills == {"numpy": 60, "torch": 20, "jax": 20}
    assert len({chain.name for chain in plan(100)}) == len(plan(100))


def test_a_blow_falls_at_its_event(unbroken, tmp_path):
    run = tmp_path / "run"
    doom = Doom(str(run), str(tmp_path / "journal"), "kill", at=14, within="checkpoints")
    ended = wait(start("numpy", unbroken.text, run, doom), doom, clock=None)
    assert ended.status == -signal.SIGKILL
    assert ended.phase() == "saving"
    events = [event for event, *paths in ended.journal if "/checkpoints" in paths[-1]]
    assert len(events) - events.count(READ) == 14
    assert ended.completed() == 2
    assert check_state(run, unbroken, least=2) == 2
    with pytest.raises(Fault, match="step 4 was saved"):
        check_state(run, unbroken, least=4)


def test_what_kills_must_not_do_is_noticed(run, unbroken):
    newest = run / "checkpoints" / f"{STEPS:06d}"
    model = newest / "model.safetensors"
    whole, rows = model.read_bytes(), (run / "metrics.jsonl").read_bytes()
    check_state(run, unbroken, STEPS)
    check_finished(run, unbroken)

    model.write_bytes(whole[:-1])
    with pytest.raises(Fault, match="what is taken for a checkpoint is none"):
        check_state(run, unbroken, None)
    model.write_bytes(whole)
    (newest / "notes").write_text("")
    with pytest.raises(Fault, match="other files"):
        check_state(run, unbroken, None)
    (newest / "notes").unlink()

    lines = rows.splitlines(keepends=True)
    for wrong in (lines[:-1], lines[:5] + lines[4:], [*lines[:-2], b"\n", *lines[-2:]]):
        (run / "metrics.jsonl").write_bytes(b"".join(wrong))
        with pytest.raises(Fault, match=r"metrics\.jsonl"):
            check_state(run, unbroken, None)
    (run / "metrics.jsonl").write_bytes(rows)

    other = unbroken.every / f"{STEPS - 2:06d}"
    (newest / "training.json").write_bytes((other / "training.json").read_bytes())
    with pytest.raises(Fault, match=r"training\.json is not the unbroken run's"):
        check_finished(run, unbroken)
    shutil.rmtree(newest)
    with pytest.raises(Fault, match=f"step {STEPS} was saved"):
        check_state(run, unbroken, STEPS)


def test_leftovers_are_noticed(run, unbroken):
    (run / "checkpoints" / ".000004.tmp-1-ab").mkdir()
    with pytest.raises(Fault, match="holds"):
        check_finished(run, unbroken)
    began = Ended(-9, "", (("open", str(run / ".metrics.jsonl.partial")),))
    assert check_cleaned(run, set(), began) == {".000004.tmp-1-ab"}
    with pytest.raises(Fault, match="did not clean"):
        check_cleaned(run, {".000004.tmp-1-ab"}, began)
    assert check_cleaned(run, {".000004.tmp-1-ab"}, Ended(-9, "", ()))


# Disks


def test_disks_that_fail_lose_nothing(unbroken, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        tallies = list(
            pool.map(
                lambda failure: run_disk(f"numpy:{failure}", 0, unbroken, tmp_path / failure),
                FAILURES,
            )
        )
    assert not [found for tally in tallies for found in tally.found]
    skipped = 2 if why_not_mount() else 0
    assert sum(tally.tried for tally in tallies) == len(FAILURES) - skipped


@pytest.mark.parametrize(
    "ended",
    [
        Ended(0, "saved", ()),
        Ended(2, "error: something else", ()),
        Ended(2, "error: a disk is full\n" + "and\n" * 9, ()),
        Ended(1, "Traceback (most recent call last):\nOSError: disk", ()),
        Ended(-9, "error: disk", ()),
    ],
)
def test_an_end_that_is_not_explained_is_noticed(ended):
    check_explained(Ended(2, "step 1\nerror: the disk is full\nnone saved\n", ()), "disk")
    with pytest.raises(Fault):
        check_explained(ended, "disk")


# Corruptions


def test_corrupted_checkpoints_are_refused_or_read_as_what_they_are(report):
    assert command_line.main(["--only", "corruptions", "--corruptions", "600"]) == 0
    ours, hub = json.loads(report.read_text())["rows"]
    assert ours["tried"] + hub["tried"] == 600
    assert ours["ended well"]["refused"] > 0.9 * ours["tried"]
    for row in (ours, hub):
        assert len({name.partition(":")[0] for name in row["in detail"]}) == len(DAMAGES)


def case_of(damage: str, victim: str) -> int:
    """The number of a case that does this damage to this victim."""
    names = [one.name for one in victims()], [one.__name__ for one in DAMAGES]
    return names[0].index(victim) * len(DAMAGES) + names[1].index(damage)


@pytest.mark.parametrize(
    ("damage", "weakened"),
    [
        ("not_finite", "_check_finite"),
        ("bits_flipped", "check_content"),
        ("tensors_exchanged", "check_manifest"),
    ],
)
def test_a_loader_that_checks_less_is_found_out(tmp_path, monkeypatch, damage, weakened):
    cases = [case_of(damage, "ours") + i * len(DAMAGES) * len(victims()) for i in range(15)]
    healthy = [try_case(case, 0, victims(), tmp_path) for case in cases]
    assert {result[3] for result in healthy} == {None}
    monkeypatch.setattr(tensor_files, weakened, lambda *arguments: None)
    kinds = {try_case(case, 0, victims(), tmp_path)[3] for case in cases}
    assert "wrongly accepted" in kinds


def test_an_error_of_another_kind_is_found_out(tmp_path, monkeypatch):
    class PanicException(BaseException):
        pass

    for error in (ValueError("x"), MemoryError(), PanicException("x")):

        def broken(path, error=error):
            raise error

        monkeypatch.setattr(corruptions, "load_checkpoint", broken)
        assert try_case(0, 0, victims(), tmp_path)[3] == "traceback"


def troubled(cases, seed, pipe):
    """Work that crashes at case 1 and hangs at case 3."""
    for case in cases:
        if case == 1:
            os.kill(os.getpid(), signal.SIGSEGV)
        if case == 3:
            time.sleep(60)
        pipe.send((case, "", "", None, "refused"))


def test_crashes_and_hangs_are_found_out():
    results = watch(range(5), 0, troubled, seconds=1.0)
    assert [(result[0], result[3]) for result in results] == [
        (0, None),
        (1, "traceback"),
        (2, None),
        (3, "traceback"),
        (4, None),
    ]
    assert "crashed" in results[1][4]
    assert "no end" in results[3][4]


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
    characters = {c for n in range(2000) for c in draw_string(strings.Random(f"0 {n}"))}
    assert {ord(c) >> 16 for c in characters} == set(range(17))
    assert not {c for c in characters if 0xD800 <= ord(c) <= 0xDFFF}
    assert characters >= {"\0", "\x1b", "\x9b", "\r", "\u2028", "\u202e", "\u200d", "\u0301"}


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
    char, word = tokenizer_of("char"), tokenizer_of("word")
    with monkeypatch.context() as patch:
        patch.setattr(char, "check", lambda text: None)
        with pytest.raises(Exception, match=r"UNK"):
            check_tokenizer("char", "\u0416")
    with monkeypatch.context() as patch:
        patch.setattr(word, "unknown_words", lambda text: Counter())
        with pytest.raises(Fault, match="became"):
            check_tokenizer("word", "soft zebra")


def test_a_terminal_that_is_commanded_is_found_out(monkeypatch):
    rng = strings.Random(0)
    assert check_terminal("a\x1b[2J\x9b\r\tb\n", rng) == "shown without controls"
    with monkeypatch.context() as patch:
        patch.setattr(
            "shared.commands.sampling.escape_controls", lambda text: text.replace("\x1b", "?")
        )
        with pytest.raises(Fault, match="a terminal is sent"):
            check_terminal("\x9b1A", rng)
        with pytest.raises(Fault, match="is shown as"):
            check_terminal("\x1b", rng)


# The command line


def test_a_loss_is_shown_with_the_command_that_repeats_it(report, monkeypatch, capsys):
    monkeypatch.setattr("shared.commands.sampling.escape_controls", str)
    command = ["--only", "strings", "--strings", "40", "--seed", "3"]
    assert command_line.main(command) == 1
    shown = capsys.readouterr().out
    assert "again: python -m audits.reliability --only strings --seed 3 --case terminal-" in shown
    found = json.loads(report.read_text())["rows"][-1]["found"]
    case = found[0]["again"].rpartition(" ")[2]
    report.unlink()
    assert command_line.main(["--only", "strings", "--seed", "3", "--case", case]) == 1
    assert "1 tried" in capsys.readouterr().out
    assert not report.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--kills", "-1"], "kills is -1"),
        (["--processes", "0"], "processes is 0"),
        (["--case", "3"], "--only"),
        (["--only", "strings", "--case", "byte"], "''"),
        (["--only", "strings", "--case", "syllable-3"], "there is no case 'syllable-3'"),
        (["--only", "corruptions", "--case", "x"], "'x'"),
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
