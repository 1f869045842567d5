from __future__ import annotations

import collections
import contextlib
import io
import os
import pickle
import pickletools
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_seal.data import DamagedFileError
from keras_seal.data.unpickling import EXPANSION, UnsafeFileError, load_npz, load_pickle
from keras_seal.errors import UserError


def everything() -> dict:
    rng = np.random.default_rng(0)
    return {
        "big_endian": np.arange(6, dtype=">f4").reshape(2, 3),
        "fortran": np.asfortranarray(rng.random((3, 4))),
        "turned": rng.random((2, 3, 4)).transpose(2, 0, 1),
        "strided": rng.random((3, 6))[:, ::2],
        "objects": np.array([None, {"x": [1, 2.5, (3,)]}, rng.random(3)], object),
        "object_table": np.array([["a", 1], ["b", 2]], object),
        "texts": np.array(["ab", "c"]),
        "bytes_array": np.array([b"x", b"yz"]),
        "empty": np.zeros((0, 17, 2)),
        "no_axes": np.array(3.5),
        "flags": np.array([True, False]),
        "scalars": [np.float32(3), np.int64(2**62), np.bool_(True), np.str_("hi"), np.uint8(7)],
        "ordered": collections.OrderedDict(b=1, a=[2]),
        "lists": collections.defaultdict(list, {"k": [1]}),
        "sets": [{1, 2}, frozenset({"x"}), set()],
        "numbers": [0, -1, 255, 65535, -(2**31), 2**40, -(2**63), 2**64 - 1, 0.1, -1e300, 1 + 2j],
        "constants": [None, True, False],
        "strings": ["", "é一", "x" * 300, "two\nlines 'quoted'"],
        "byte_strings": [b"", b"\xff\x00", b"y" * 300],
        "shared": [shared := [1, 2], shared],
        ("S1", 0, "54138969", 7): (),
        7: ((1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        "many": list(range(2500)),
        "mapping": {str(index): index for index in range(1500)},
    }


def assert_same(one, other) -> None:
    if isinstance(one, np.ndarray):
        assert isinstance(other, np.ndarray)
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        if one.dtype == object:
            for mine, theirs in zip(one.flat, other.flat, strict=True):
                assert_same(mine, theirs)
        else:
            np.testing.assert_array_equal(one, other)
    elif isinstance(one, dict):
        assert type(other) is dict
        assert list(one) == list(other)
        for key, value in one.items():
            assert_same(value, other[key])
    elif isinstance(one, list | tuple):
        assert type(one) is type(other)
        assert len(one) == len(other)
        for mine, theirs in zip(one, other, strict=True):
            assert_same(mine, theirs)
    else:
        assert type(one) is type(other)
        assert one == other


def write(folder: Path, content: bytes, name: str = "a.pkl") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def npy(value, fortran: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, value, allow_pickle=True)
    return stream.getvalue()


def npz(folder: Path, **members: bytes) -> Path:
    path = folder / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


# ---------------------------------------------------------------------------------- what is read


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_of_every_protocol(tmp_path, protocol):
    data = everything()
    path = write(tmp_path, pickle.dumps(data, protocol))
    assert_same(data, load_pickle(path))
    optimized = pickletools.optimize(path.read_bytes())
    assert_same(data, load_pickle(write(tmp_path, optimized)))


@pytest.mark.parametrize("protocol", [0, 2, 3])
def test_names_of_numpy_1_and_2(tmp_path, protocol):
    data = {"array": np.arange(4.0), "scalar": np.float64(2), "type": np.dtype("f4")}
    content = pickle.dumps(data, protocol)
    old = content.replace(b"numpy._core.", b"numpy.core.")
    new = content.replace(b"numpy.core.", b"numpy._core.")
    assert old != new
    for text in (old, new):
        assert_same(data, load_pickle(write(tmp_path, text)))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz(tmp_path, save):
    data = everything()
    path = tmp_path / "a.npz"
    save(path, positions_3d=data, plain=data["fortran"], words=data["texts"], rows=data["objects"])
    loaded = load_npz(path)
    assert list(loaded) == ["positions_3d", "plain", "words", "rows"]
    assert_same(data, loaded["positions_3d"])
    for name, key in (("plain", "fortran"), ("words", "texts"), ("rows", "objects")):
        assert_same(data[key], loaded[name])


def test_npy(tmp_path):
    assert_same({"arr_0": np.arange(3.0)}, load_npz(write(tmp_path, npy(np.arange(3.0)), "a.npy")))
    assert load_npz(write(tmp_path, npy({"a": 1}), "a.npy")) == {"arr_0": {"a": 1}}
    assert load_npz(write(tmp_path, npy(np.zeros((0, 5))), "a.npy"))["arr_0"].shape == (0, 5)
    assert load_npz(write(tmp_path, npy(np.array(7)), "a.npy"))["arr_0"] == 7


def python_2_array() -> bytes:
    """What Python 2 and numpy 1 write for {'S1': array([[1, 2]], dtype=float32)}, protocol 2."""
    raw = np.array([[1.0, -2.0]], "<f4").tobytes()
    return b"".join(
        [
            b"\x80\x02}q\x01U\x02S1q\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray",
            b"\nq\x04K\x00\x85U\x01b\x87Rq\x05(K\x01K\x01K\x02\x86cnumpy\ndtype\nq\x06U\x02f4K\x00",
            b"K\x01\x87Rq\x07(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U",
            bytes([len(raw)]) + raw + b"tbs.",
        ]
    )


def test_python_2(tmp_path):
    content = python_2_array()
    expected = pickle.loads(content, encoding="latin1")
    assert_same({"S1": np.array([[1.0, -2.0]], np.float32)}, expected)
    assert_same(expected, load_pickle(write(tmp_path, content)))
    # Protocol 0 is text, in which long numbers end with an L.
    text = b"(lp0\nS'caf\\xe9 \"x\"'\np1\naV\\u4e00\np2\naL12L\naI01\naF0.5\naI-3\na."
    assert load_pickle(write(tmp_path, text)) == ['caf\xe9 "x"', "一", 12, True, 0.5, -3]


# ----------------------------------------------------------------------------- what is refused


class Gadget:
    """Pickles as a call."""

    def __init__(self, call, *arguments, state=None):
        self.parts = (call, arguments) if state is None else (call, arguments, state)

    def __reduce__(self):
        return self.parts


class Home:
    """An ordinary object, whose class is looked up when it is read."""

    def __setstate__(self, state):
        raise AssertionError("a state was set")


def gadgets(mark: Path) -> dict[str, tuple[object, str]]:
    touch = f"open({str(mark)!r}, 'w').close()"
    return {
        "system": (Gadget(os.system, f"touch {mark}"), f"{os.name}.system"),
        "eval": (Gadget(eval, touch), "builtins.eval"),
        "exec": (Gadget(exec, touch), "builtins.exec"),
        "getattr": (Gadget(getattr, "", "format"), "builtins.getattr"),
        "open": (Gadget(open, str(mark), "w"), "open"),
        "import": (Gadget(__import__, "os"), "builtins.__import__"),
        "numpy_load": (Gadget(np.load, str(mark)), "numpy"),
        "numpy_save": (Gadget(np.save, str(mark), 1), "numpy"),
        "numpy_fromfile": (Gadget(np.fromfile, str(mark)), "numpy"),
        "numpy_apply": (Gadget(np.apply_along_axis, len, 0, [1]), "numpy"),
        "foreign_subclass": (np.ma.masked_array([1.0, 2.0]), "numpy.ma"),
        "memory_map": (np.arange(3).view(np.memmap), "numpy.memmap"),
        "matrix": (np.asmatrix([[1.0]]), "matrix"),
        "state": (Gadget(Home, state={"__class__": 1}), "Home"),
        "ordered_dict": (Gadget(collections.OrderedDict, Gadget(eval, touch)), "builtins.eval"),
        "default_factory": (collections.defaultdict(os.getcwd), "getcwd"),
    }


GADGETS = list(gadgets(Path("mark")))


def wraps(value, protocol: int) -> dict[str, bytes]:
    inner = np.empty(2, object)
    inner[0], inner[1] = {"S1": [value]}, 1.0
    return {
        "alone": pickle.dumps(value, protocol),
        "in_dict": pickle.dumps({"S1": {"Walking": (np.zeros(3), value)}}, protocol),
        "in_object_array": pickle.dumps({"S1": inner}, protocol),
    }


@pytest.mark.parametrize("name", GADGETS)
def test_files_that_would_run_code_are_refused_and_run_nothing(tmp_path, name):
    mark = tmp_path / "ran"
    gadget, wanted = gadgets(mark)[name]
    for protocol in (0, 2, 4, 5):
        for content in wraps(gadget, protocol).values():
            with pytest.raises(UnsafeFileError, match=r"asks to .*Nothing of it was run") as raised:
                load_pickle(write(tmp_path, content))
            assert wanted.rpartition(".")[2] in str(raised.value)
    member = np.empty((), object)
    member[()] = {"S1": gadget}
    for path in (npz(tmp_path, positions_3d=npy(member)), write(tmp_path, npy(member), "a.npy")):
        with pytest.raises(UnsafeFileError, match="not plain data"):
            load_npz(path)
    assert not mark.exists()


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
ARRAY = RECONSTRUCT + b"cnumpy\nndarray\nK\x00\x85U\x01b\x87R"
FLOAT = (
    b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
)
OBJECT = FLOAT.replace(b"f4", b"O8").replace(b"<", b"|")
RUNS = b"cposix\nsystem\nU\x04trueR"

# Hand-written pickles that bend the instructions; Python's reader would follow each of them.
CRAFTED = {
    "python 2": b"(S'true'\niposix\nsystem\n.",
    "old instance": b"(cos\nsystem\nS'true'\no.",
    "new object": b"cbuiltins\nset\n)\x81.",
    "new object with names": b"cbuiltins\nset\n)}\x92.",
    "extension": b"\x82\x01.",
    "long extension": b"\x84\x01\x00\x00\x00.",
    "persistent": b"P1\n.",
    "binary persistent": b"K\x01Q.",
    "buffer": b"\x97.",
    "read-only buffer": b"\x97\x98.",
    "system by two texts": b"\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",
    "dotted name": b"\x8c\x05numpy\x8c\x0bcore.sys.os\x93.",
    "dotted numpy name": b"cnumpy.core\nmultiarray._reconstruct\n.",
    "a function as data": b"cnumpy\ndtype\n.",
    "a function in a list": b"]cnumpy\ndtype\na.",
    "functions in a list": b"](cnumpy\ndtype\nK\x01e.",
    "a function in a dict": b"}K\x01cnumpy\ndtype\ns.",
    "a function in a tuple in a list": b"]cnumpy\ndtype\n\x85a.",
    "a tuple of functions": b"cnumpy\ndtype\n\x85.",
    "state of a function": b"cnumpy\ndtype\n}b.",
    "state of a function as a tuple": b"cnumpy.core.multiarray\nscalar\nN}\x86b.",
    "state of a list": b"]}b.",
    "state of a dict": b"}(K\x01K\x02tb.",
    "call of a dict": b"}K\x01\x85R.",
    "call of a text": b"U\x06systemU\x04true\x85R.",
    "call of a class": b"cnumpy\nndarray\nK\x01\x85R.",
    "call of a factory": b"cbuiltins\nlist\n]\x85R.",
    "factory that calls": b"ccollections\ndefaultdict\ncnumpy\ndtype\n\x85R.",
    "reconstruct a dict": RECONSTRUCT + b"cbuiltins\ndict\nK\x00\x85U\x01b\x87R.",
    "reconstruct from a text": RECONSTRUCT + b"U\x07ndarrayK\x00\x85U\x01b\x87R.",
    "call among the objects": ARRAY + b"(K\x01K\x01\x85" + OBJECT + b"\x89](" + RUNS + b"etb.",
    "call as the bytes": ARRAY + b"(K\x01K\x01\x85" + FLOAT + b"\x89" + RUNS + b"tb.",
    "function as the bytes": ARRAY + b"(K\x01K\x01\x85" + FLOAT + b"\x89cnumpy\ndtype\ntb.",
    "attribute of an array": ARRAY + b"}U\x01xK\x01sb.",
    "fills a function": b"cnumpy\ndtype\nK\x01a.",
}  # fmt: skip


@pytest.mark.parametrize("name", CRAFTED)
def test_bent_instructions_are_refused(tmp_path, name, monkeypatch):
    def system(command):
        raise AssertionError(f"{command!r} was run")

    monkeypatch.setattr(os, "system", system)
    with pytest.raises(UnsafeFileError, match="Nothing of it was run"):
        load_pickle(write(tmp_path, CRAFTED[name]))


def test_allowed_functions_were_not_altered_by_earlier_files(tmp_path):
    for content in CRAFTED.values():
        with pytest.raises(UnsafeFileError):
            load_pickle(write(tmp_path, content))
    assert_same(everything(), load_pickle(write(tmp_path, pickle.dumps(everything(), 2))))


# ------------------------------------------------------------------------ what is damaged, huge


def sized(shape: bytes, raw: bytes, dtype: bytes = FLOAT) -> bytes:
    return ARRAY + b"(K\x01" + shape + dtype + b"\x89" + raw + b"tb."


HUGE = b"\x8a\x06" + (10**12).to_bytes(6, "little")
LOOP = b"]q\x00(" + b"h\x00" * 10 + b"e."

DAMAGED = {
    "empty": b"",
    "text": b"This is no pickle at all.",
    "html": b"<!DOCTYPE html><html><body>Quota exceeded</body></html>",
    "stop at once": b".",
    "two results": b"NN.",
    "open mark": b"(N.",
    "no stop": b"N",
    "unknown": b"\xff.",
    "memo": b"h\x07.",
    "long text that is not there": b"X\xff\xff\xff\x7fabc.",
    "bytes that are not there": b"\x8e" + b"\xff" * 7 + b"\x7fabc.",
    "writable bytes that are not there": b"\x96\x00\x00\x00\x00\x00\x01\x00\x00abc.",
    "huge number": b"\x8b\xff\xff\xff\x7f1.",
    "number of many digits": b"I" + b"9" * 10_000 + b"\n.",
    "number of 80 bits": b"\x8a\x0a" + b"\x01" * 10 + b".",
    "no utf-8": b"X\x02\x00\x00\x00\xff\xff.",
    "no quotes": b"Sabc\n.",
    "array of 10^12 floats": sized(HUGE + b"\x85", b"U\x04abcd"),
    "array of 10^24 floats": sized(HUGE + HUGE + b"\x86", b"U\x04abcd"),
    "empty array 10^12 long": sized(HUGE + b"K\x00\x86", b"U\x00"),
    "array of a negative size": sized(b"J\xff\xff\xff\xff\x85", b"U\x04abcd"),
    "array of a fraction": sized(b"G?\xf0\x00\x00\x00\x00\x00\x00\x85", b"U\x04abcd"),
    "array of a list": sized(b"]", b"U\x04abcd"),
    "array too short": sized(b"K\x02\x85", b"U\x04abcd"),
    "array too long": sized(b"K\x01\x85", b"U\x08abcdefgh"),
    "too few objects": sized(b"K\x03\x85", b"](K\x01K\x02e", OBJECT),
    "too many objects": sized(b"K\x01\x85", b"](K\x01K\x02e", OBJECT),
    "10^12 objects": sized(HUGE + b"\x85", b"](K\x01e", OBJECT),
    "objects in bytes": sized(b"K\x01\x85", b"U\x08abcdefgh", OBJECT),
    "array of 33 axes": sized(b"(" + b"K\x01" * 33 + b"t", b"U\x04abcd"),
    "array without a state": ARRAY + b".",
    "array without a type": ARRAY + b"(K\x01K\x01\x85U\x02f4\x89U\x04abcdtb.",
    "type of fields": b"cnumpy\ndtype\nU\x03V16K\x00K\x01\x87R.",
    "type of 10^12 letters": b"cnumpy\ndtype\nU\x0eS1000000000000K\x00K\x01\x87R.",
    "type of a subarray": b"cnumpy\ndtype\nU\x0b(99999999)f4K\x00K\x01\x87R.",
    "type of pairs": b"cnumpy\ndtype\nU\x05f4,f4K\x00K\x01\x87R.",
    "scalar of an object": b"cnumpy.core.multiarray\nscalar\n" + OBJECT + b"U\x08abcdefgh\x86R.",
    "scalar too long": b"cnumpy.core.multiarray\nscalar\n" + FLOAT + b"U\x08abcdefgh\x86R.",
    "array that holds itself": ARRAY + b"q\x05(K\x01K\x01\x85" + OBJECT + b"\x89]h\x05atb.",
    "list that holds itself": LOOP,
    "list in a dict that holds it": b"]q\x00}K\x01h\x00sa.",
    "deep list": b"]" * 200 + b"a" * 199 + b".",
    "deep tuple as a key": b"})" + b"\x85" * 200_000 + b"Ns.",
    "list as a key": b"}]Ns.",
    "key without a value": b"}(K\x01u.",
    "protocol of the future": b"\x80\x09\xfe.",
    "other encoding": b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x06\x00\x00\x00rot_13\x86R.",
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_told_in_little_memory(tmp_path, name):
    path = write(tmp_path, DAMAGED[name])
    with (
        measured(len(DAMAGED[name]) * EXPANSION + 2**20),
        pytest.raises(DamagedFileError) as raised,
    ):
        load_pickle(path)
    assert str(path) in str(raised.value)


class measured:
    """Checks how much memory a block takes at most."""

    def __init__(self, limit: int):
        self.limit = limit

    def __enter__(self):
        tracemalloc.start()

    def __exit__(self, *_):
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < self.limit, f"{peak} bytes were taken"


def laughs(levels: int) -> bytes:
    """A list of ten times a list of ten times..., a few bytes for each level."""
    parts = [b"](" + b"N" * 10 + b"eq\x00"]
    for level in range(1, levels):
        parts.append(b"0](" + bytes([ord("h"), level - 1]) * 10 + b"eq" + bytes([level]))
    return b"".join(parts) + b"."


def test_parts_that_multiply_are_refused(tmp_path):
    with measured(2**20), pytest.raises(DamagedFileError, match="own parts so often"):
        load_pickle(write(tmp_path, laughs(20)))
    assert len(load_pickle(write(tmp_path, laughs(5)))) == 10
    # A list is copied to a set again and again; then a text to bytes.
    items = b"](" + b"".join(b"M" + struct.pack("<H", index) for index in range(5000)) + b"eq\x00"
    copies = b"(" + b"cbuiltins\nset\nh\x00\x85R" * 500 + b"l"
    text = b"X\x00\x10\x00\x00" + b"a" * 4096 + b"q\x00c_codecs\nencode\nq\x01U\x06latin1q\x02"
    calls = b"(" + b"h\x01h\x00h\x02\x86R" * 3000 + b"l"
    for content in (items + copies + b".", text + calls + b"."):
        with measured(2**24), pytest.raises(DamagedFileError, match="over and over"):
            load_pickle(write(tmp_path, content))


def header(text: str) -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode("latin1")


HEADERS = {
    "huge": header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }\n"),
    "huge objects": header("{'descr': '|O', 'fortran_order': False, 'shape': (10**12,), }\n"),
    "huge letters": header("{'descr': '<U2000000000', 'fortran_order': False, 'shape': (), }\n"),
    "no letters": header("{'descr': '<U0', 'fortran_order': False, 'shape': (10000000000,), }\n"),
    "fields": header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (), }\n"),
    "negative": header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }\n"),
    "not closed": header("{'descr': '<f4', 'fortran_order': False, 'shape': (1,\n"),
    "a call": header("{'descr': __import__('os').system('true')}\n"),
    "deep": header("(" * 5000),
    "no header": b"\x93NUMPY\x01\x00\xff\xff",
    "version": b"\x93NUMPY\x09\x00" + b"\x00" * 20,
    "only magic": b"\x93NUMPY",
    "other objects": npy(np.array([1, None], object)).replace(b"(2,)", b"(3,)"),
    "cut": npy(np.zeros(1000))[:-1],
    "longer": npy(np.zeros(1000)) + b"\x00",
    "cut objects": npy(np.array([1, None], object))[:-1],
}


@pytest.mark.parametrize("name", HEADERS)
def test_damaged_headers(tmp_path, name):
    for path in (write(tmp_path, HEADERS[name], "a.npy"), npz(tmp_path, x=HEADERS[name])):
        with measured(2**21), pytest.raises(DamagedFileError) as raised:
            load_npz(path)
        assert str(path) in str(raised.value)


def test_compressed_bombs(tmp_path):
    path = tmp_path / "a.npz"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("x.npy", "w") as member,
    ):
        np.lib.format.write_array_header_1_0(
            member, {"descr": "|u1", "fortran_order": False, "shape": (200 * 2**20,)}
        )
        for _ in range(200):
            member.write(bytes(2**20))
    assert path.stat().st_size < 2**18
    with measured(2**20), pytest.raises(DamagedFileError, match="never shrinks that much"):
        load_npz(path)
    # The directory claims less than what is there.
    content = path.read_bytes()
    size = struct.pack("<I", 200 * 2**20 + 128)
    assert size in content
    path.write_bytes(content.replace(size, struct.pack("<I", 1000)))
    with measured(2**23), pytest.raises(DamagedFileError):
        load_npz(path)


def test_files_that_are_something_else(tmp_path):
    with pytest.raises(UserError, match="There is no file"):
        load_npz(tmp_path / "a.npz")
    with pytest.raises(UserError, match="There is no file"):
        load_pickle(tmp_path)
    for content in (b"", b"<html>", b"PK", pickle.dumps({"a": 1})):
        with pytest.raises(DamagedFileError):
            load_npz(write(tmp_path, content, "a.npz"))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(DamagedFileError, match=r"'readme\.txt', which is no array"):
        load_npz(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x.npy", npy(np.zeros(3)))
    with pytest.raises(DamagedFileError, match="numpy does not use"):
        load_npz(tmp_path / "a.npz")
    np.savez(tmp_path / "a.npz", x=np.zeros(100))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[400] ^= 1
    with pytest.raises(DamagedFileError, match="CRC"):
        load_npz(write(tmp_path, bytes(content), "a.npz"))


# --------------------------------------------------------------------------------------- fuzzing


def small() -> dict:
    shared = np.arange(6, dtype=np.float32).reshape(2, 3)
    return {
        "S1": {"Walk": [shared, shared]},
        "m": np.array(["a", None], object),
        "n": [1, 2.5, {3}],
    }


SEEDS = [pickle.dumps(small(), protocol) for protocol in range(6)] + [python_2_array()]
FUZZ = settings(max_examples=150, deadline=None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@FUZZ
@given(data=st.data(), seed=st.sampled_from(SEEDS))
def test_altered_pickles_are_read_or_refused(folder, data, seed):
    content = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(content) - 1))
        change = data.draw(st.sampled_from(["set", "cut", "insert", "repeat"]))
        if change == "set":
            content[position] = data.draw(st.integers(0, 255))
        elif change == "cut":
            del content[position : position + data.draw(st.integers(1, 8))]
        elif change == "insert":
            content[position:position] = data.draw(st.binary(min_size=1, max_size=4))
        else:
            content[position:position] = content[position : position + 16]
        if not content:
            break
    with measured(2**22), contextlib.suppress(UnsafeFileError, DamagedFileError):
        load_pickle(write(folder, bytes(content)))


@FUZZ
@given(
    codes=st.lists(st.sampled_from(sorted(op.code for op in pickletools.opcodes))), tail=st.binary()
)
def test_arbitrary_instructions_are_read_or_refused(folder, codes, tail):
    with measured(2**22), contextlib.suppress(UnsafeFileError, DamagedFileError):
        load_pickle(write(folder, "".join(codes).encode("latin1") + tail + b"."))


@FUZZ
@given(data=st.data(), compress=st.booleans())
def test_altered_npz_files_are_read_or_refused(folder, data, compress):
    stream = io.BytesIO()
    save = np.savez_compressed if compress else np.savez
    save(stream, positions=small(), x=np.arange(20.0).reshape(4, 5))
    content = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))]
    with measured(2**23), contextlib.suppress(UnsafeFileError, DamagedFileError):
        load_npz(write(folder, bytes(content), "a.npz"))
