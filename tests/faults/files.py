"""Files that were damaged while nobody used them."""
import os
import re
import struct


def last_segment(data):
    return sorted((data / "log" / "0").glob("*.log"))[-1]


def frames(path):
    """Where each frame begins, and where the last one ends (docs/FORMATS.md)."""
    held, at, starts = path.read_bytes(), 64, []
    while held[at:at + 4] == b"LWFR":
        starts.append(at)
        at = (at + 32 + struct.unpack_from(">I", held, at + 4)[0] + 7) // 8 * 8
    return starts, at


def overwrite(path, offset, change):
    with path.open("r+b") as file:
        file.seek(offset)
        before = file.read(8)
        file.seek(offset)
        file.write(change(before))


def flip(before):
    return bytes([before[0] ^ 1]) + before[1:]


def a_flipped_bit_in_the_log_is_refused_with_file_and_offset(world):
    data, _ = world.used("flip")
    segment = last_segment(data)
    starts, _ = frames(segment)
    middle = starts[len(starts) // 2]
    overwrite(segment, middle + 33, flip)
    held = segment.read_bytes()
    code, doctor = world.doctor(data)
    assert code == 1, (code, doctor)
    for text in (doctor, world.serve(data).refusal()):
        assert segment.name in text and re.search(rf"\b{middle}\b", text), text
    assert world.doctor(data, "--repair")[0] == 1
    assert segment.read_bytes() == held, "what is damaged was changed"


def a_log_that_was_cut_short_is_refused_with_its_file(world):
    data, _ = world.used("short")
    segment = last_segment(data)
    os.truncate(segment, frames(segment)[0][-1])
    code, doctor = world.doctor(data)
    assert code == 1, (code, doctor)
    for text in (doctor, world.serve(data).refusal()):
        assert segment.name in text, text


def a_torn_end_of_the_log_is_cut_and_said(world):
    data, ids = world.used("torn")
    segment = last_segment(data)
    _, end = frames(segment)
    overwrite(segment, end, lambda _: b"LWFR\0\0\1\0")
    code, doctor = world.doctor(data)
    assert code == 0 and str(end) in doctor and "torn write" in doctor, (code, doctor)
    said = world.holds(data, ids)
    assert segment.name in said and re.search(rf"\b{end}\b", said), said


def broken_tables_are_refused_and_made_again_from_the_log(world):
    data, ids = world.used("tables")
    for file in (path for path in (data / "tables").rglob("*") if path.is_file()):
        file.write_bytes(bytes(byte ^ 0x55 for byte in file.read_bytes()[:65536]))
    said = world.serve(data).refusal()
    assert "tables" in said, said
    assert world.doctor(data)[0] == 1
    code, text = world.doctor(data, "--repair")
    assert code == 0 and "put aside" in text, (code, text)
    world.holds(data, ids)


