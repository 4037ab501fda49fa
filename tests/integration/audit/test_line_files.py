"""Files of lines, plain and compressed: what a killed process leaves, and what is refused when they are read."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from audit.config import line_files
from audit.config.line_files import PIECE, GzipLines, UnreadableLines, open_lines, read_lines

LINES = [f'{{"kind":"result","endpoint":"https://www{number}.example.com:443"}}\n' for number in range(5000)]


def written(file: Path) -> Path:
    stream = open_lines(file)
    for line in LINES:
        stream.write(line)
    stream.close()
    return file


def standing_clock() -> float:
    return 0.0


@pytest.mark.parametrize("name", ["results.jsonl", "results.jsonl.gz"])
def test_lines_are_read_as_they_were_written(tmp_path: Path, name: str) -> None:
    assert list(read_lines(written(tmp_path / name))) == LINES


def test_compressed_file_is_one_gzip_stream_without_name_and_time(tmp_path: Path) -> None:
    content = written(tmp_path / "results.jsonl.gz").read_bytes()
    unpacked = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    assert unpacked.decompress(content).decode() == "".join(LINES)
    assert unpacked.eof
    assert unpacked.unused_data == b""
    assert content[3:8] == bytes(5)  # flags and time (RFC 1952 2.3)


def test_flushes_make_a_compressed_file_at_most_a_tenth_longer(tmp_path: Path) -> None:
    length = written(tmp_path / "results.jsonl.gz").stat().st_size
    assert length < 1.1 * len(gzip.compress("".join(LINES).encode(), compresslevel=6))


def test_killed_process_leaves_whole_lines_and_loses_less_than_64_kib() -> None:
    stream = io.BytesIO()
    lines = GzipLines(stream, standing_clock)
    for count, line in enumerate(LINES, start=1):
        lines.write(line)
        left = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS).decompress(stream.getvalue()).decode()
        assert left == "".join(LINES[: left.count("\n")])
        assert len("".join(LINES[:count])) - len(left) < PIECE


def test_line_after_a_pause_of_a_second_is_written_at_once() -> None:
    stream, now = io.BytesIO(), [0.0]
    lines = GzipLines(stream, lambda: now[0])
    lengths = []
    for now[0] in (0.0, 0.9, 1.0):
        lines.write("{}\n")
        lengths.append(len(stream.getvalue()))
    assert 0 < lengths[0] == lengths[1] < lengths[2]


def test_compressed_file_is_recognized_under_any_name(tmp_path: Path) -> None:
    file = tmp_path / "results"
    file.write_bytes(gzip.compress(LINES[0].encode()) + gzip.compress(LINES[1].encode()))
    assert list(read_lines(file)) == LINES[:2]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content[:-4], "ends within its gzip stream: the run that wrote it was killed"),
        (lambda content: content[: len(content) // 2], "Copy it again, or use the lines that are left: gzip -dc "),
        (lambda content: content[:-8] + bytes(8), "is not a valid gzip file (CRC check failed"),
        (lambda content: content[:2000] + bytes(500) + content[2500:], "Copy it again, or run the audit again."),
        (lambda content: content + b"more", "is not a valid gzip file (Not a gzipped file (b'mo'))"),
        (lambda _: LINES[0].encode(), "is not a valid gzip file"),
        (lambda _: gzip.compress(b"\xff\n"), "line 1 is not UTF-8"),
    ],
    ids=["cut at its end", "cut", "checksum", "damaged", "more", "plain", "not UTF-8"],
)
def test_damaged_file_is_named_with_its_fault_and_the_fix(
    tmp_path: Path, damage: Callable[[bytes], bytes], reason: str
) -> None:
    file = written(tmp_path / "results.jsonl.gz")
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(UnreadableLines) as refused:
        list(read_lines(file))
    assert str(refused.value).startswith(str(file))
    assert reason in str(refused.value)


def test_lines_that_a_cut_file_still_has_can_be_taken_from_it(tmp_path: Path) -> None:
    file = written(tmp_path / "results.jsonl.gz")
    file.write_bytes(file.read_bytes()[:-4])
    lines = read_lines(file)
    assert [next(lines) for _ in LINES] == LINES


def test_decompression_bomb_is_refused_before_it_is_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_files, "LINE_LIMIT", 100_000)
    file = tmp_path / "results.jsonl.gz"
    file.write_bytes(gzip.compress(bytes(10_000_000)))
    with pytest.raises(UnreadableLines, match="line 1 has more than 100000 bytes"):
        list(read_lines(file))
    file.write_bytes(gzip.compress(b"{}\n" * 1_000_000))
    lines = read_lines(file, limit=3000)
    assert [next(lines) for _ in range(1000)] == ["{}\n"] * 1000
    with pytest.raises(UnreadableLines, match="more than 3000 bytes when it is decompressed"):
        next(lines)
