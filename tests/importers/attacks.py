"""Hostile files: what each would do to an unpickler is write a canary, or eat the machine."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
FACTS = b"\x80\x02}X\r\x00\x00\x00little_endian\x88s."


@dataclass(frozen=True)
class Attack:
    """`names`: what the refusal must name; empty: the file is damaged, not refused."""

    label: str
    content: bytes
    names: str = ""


def text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def binary(data: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(data)) + data


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def stacked(module: str, name: str) -> bytes:
    return text(module) + text(name) + b"\x93"


def wrapped(body: bytes, *, protocol: int = 4) -> bytes:
    """`body` leaves one object, which the file hides beside a generator that is none."""
    start = b"" if protocol < 2 else bytes([0x80, protocol])
    return start + b"(" + body + b"t."


def attacks(canary: str) -> Iterator[Attack]:
    """All of them."""
    source = f"open({canary!r},'w').write('x')"
    yield from _names(canary, source)
    yield from _ways_to_call(canary, source)
    yield from _protocols(source)
    yield from _confusion(source)
    yield from _nested(source)
    yield from _bombs()


def _names(canary: str, source: str) -> Iterator[Attack]:
    """Other names, by GLOBAL and STACK_GLOBAL, called by REDUCE."""
    command = f"touch {canary}"
    calls = [
        ("os", "system", command),
        ("posix", "system", command),
        ("nt", "system", command),
        ("subprocess", "getoutput", command),
        ("subprocess", "check_output", "id"),
        ("commands", "getoutput", command),
        ("builtins", "exec", source),
        ("builtins", "eval", source),
        ("builtins", "__import__", "antigravity"),
        ("builtins", "open", canary),
        ("builtins", "breakpoint", ""),
        ("__builtin__", "eval", source),
        ("__builtin__", "execfile", canary),
        ("importlib", "import_module", "this"),
        ("runpy", "run_path", canary),
        ("code", "interact", ""),
        ("timeit", "timeit", source),
        ("cProfile", "run", source),
        ("pdb", "run", source),
        ("bdb", "Bdb.run", source),
        ("pickle", "loads", "x"),
        ("_pickle", "loads", "x"),
        ("marshal", "loads", "x"),
        ("types", "FunctionType", ""),
        ("ctypes", "CDLL", "libc.so.6"),
        ("socket", "create_connection", ""),
        ("urllib.request", "urlopen", "http://127.0.0.1:9"),
        ("webbrowser", "open", "http://127.0.0.1:9"),
        ("shutil", "rmtree", canary),
        ("pathlib", "Path.write_text", canary),
        ("torch", "load", canary),
        ("torch.hub", "load", "x"),
        ("torch.storage", "_load_from_bytes.__globals__", "x"),
        ("torch._utils", "_rebuild_tensor", "x"),
        ("torch.jit", "load", canary),
        ("torch.utils.cpp_extension", "load", "x"),
        ("torch.serialization", "load", canary),
        ("numpy", "load", canary),
        ("numpy.testing._private.utils", "runstring", source),
        ("operator", "attrgetter", "system"),
        ("operator", "methodcaller", "system"),
        ("functools", "partial", "x"),
        ("copyreg", "_reconstructor", "x"),
        ("pydoc", "locate", "os.system"),
        ("site", "execsitecustomize", ""),
        ("lib2to3.pgen2.grammar", "Grammar.loadPickle", canary),
        ("idlelib.pyshell", "ModifiedInterpreter.runcode", source),
        ("collections", "namedtuple", "x"),
        ("collections", "OrderedDict.__init__.__globals__", "x"),
        ("torch.nn.modules.linear", "Linear.__init__", "x"),
        ("pg_modules.networks_fastgan", "os.system", command),
        ("pg_modules.evil", "Generator", "x"),
        ("dnnlib.util", "open_url", "http://127.0.0.1:9"),
        ("dnnlib.util", "call_func_by_name", "os.system"),
        ("torch_utils.persistence", "_src_to_module", source),
        ("torch_utils.persistence", "exec", source),
        ("", "eval", source),
        ("Os", "system", command),
        ("torch.nn", "Linear", "x"),
        ("os\u200b", "system", command),
    ]
    for index, (module, name, argument) in enumerate(calls):
        way = stacked if index % 2 or not module.isascii() else named
        label = f"{'STACK_GLOBAL' if way is stacked else 'GLOBAL'} {module}.{name}"
        body = way(module, name) + text(argument) + b"\x85R"
        yield Attack(label, wrapped(body), f"{module}.{name}")


def _ways_to_call(canary: str, source: str) -> Iterator[Attack]:
    command = text(f"touch {canary}")
    os_system = named("os", "system")
    yield Attack("only named", wrapped(os_system), "os.system")
    yield Attack("INST", wrapped(b"(" + command + b"ios\nsystem\n"), "os.system")
    yield Attack("INST of a listed name", wrapped(b"(icollections\nOrderedDict\n"), "INST")
    yield Attack("OBJ", wrapped(b"(" + named("builtins", "set") + command + b"o"), "OBJ")
    yield Attack("NEWOBJ", wrapped(os_system + command + b"\x85\x81"), "os.system")
    for name in ("set", "OrderedDict"):
        module = "builtins" if name == "set" else "collections"
        body = named(module, name) + command + b"\x85}\x92"
        yield Attack(f"NEWOBJ_EX {name}", wrapped(body), "NEWOBJ_EX")
    for opcode, number in ((b"\x82\x01", 1), (b"\x83\x01\x00", 2), (b"\x84\x01\x00\x00\x00", 4)):
        yield Attack(f"EXT{number}", wrapped(opcode), f"EXT{number}")
    yield Attack("PERSID", wrapped(b"Pos.system\n"), "PERSID")
    yield Attack("BINPERSID outside", wrapped(text("storage") + b"Q"), "BINPERSID")
    linear = named("torch.nn.modules.linear", "Linear") + b")\x81"
    build = linear + b"}" + text("__setstate__") + os_system + b"sb"
    yield Attack("BUILD with __setstate__", wrapped(build), "os.system")
    yield Attack("BUILD of a name", wrapped(named("collections", "OrderedDict") + b"}b"))
    yield Attack("BUILD twice", wrapped(linear + b"}b}b"))
    yield Attack("BUILD of a dict", wrapped(b"}}b"))
    yield Attack(
        "BUILD of __dict__ and slots",
        wrapped(linear + b"}" + text("__class__") + named("os", "_wrap_close") + b"s\x86b"),
        "os._wrap_close",
    )
    embedded = named("torch_utils.persistence", "_reconstruct_persistent_obj")
    about = b"}(" + text("type") + text("class") + text("version") + b"K\x06"
    about += text("module_src") + text(source) + text("class_name") + text("X")
    about += text("state") + b"}u"
    generator = text("G_ema") + embedded + about + b"\x85R"
    yield Attack("embedded source", b"\x80\x04}" + generator + b"s.")
    yield Attack(
        "embedded source of type module",
        wrapped(
            embedded + about.replace(b"\x05\x00\x00\x00class", b"\x06\x00\x00\x00module") + b"\x85R"
        ),
    )


def _protocols(source: str) -> Iterator[Attack]:
    for protocol in range(6):
        body = named("builtins", "exec") + text(source) + b"\x85R"
        names = "builtins.exec" if protocol >= 2 else ""  # the older ones are not read at all
        yield Attack(f"protocol {protocol}", wrapped(body, protocol=protocol), names)
    zero = f"c__builtin__\neval\n(V{source}\ntR.".encode()
    yield Attack("protocol 0 in text", zero)
    yield Attack("protocol 0 after PROTO", b"\x80\x02" + zero, "__builtin__.eval")
    old = b"(lp0\nS'x'\nI1\n."
    yield Attack("protocol 0 without names", b"\x80\x00" + old, "LIST")
    yield Attack("protocol 6", b"\x80\x06N.")
    yield Attack("protocol 255", b"\x80\xffN.")
    yield Attack("PROTO in the middle", wrapped(b"\x80\x02" + named("os", "system")), "os.system")
    for opcode, name in ((b"\x96" + bytes(8), "BYTEARRAY8"), (b"\x97", "NEXT_BUFFER")):
        yield Attack(name, wrapped(opcode), name)


def _confusion(source: str) -> Iterator[Attack]:
    ordered = named("collections", "OrderedDict")
    evil = stacked("builtins", "exec") + text(source) + b"\x85R"
    yield Attack(
        "memo: a name put together",
        wrapped(text("builtins") + b"q\x00" + text("exec") + b"q\x01" + b"h\x00h\x01\x93"),
        "builtins.exec",
    )
    yield Attack(
        "memo: a name replaced",
        wrapped(ordered + b"q\x05" + stacked("os", "system") + b"q\x05h\x05"),
        "os.system",
    )
    yield Attack("memo: never put", wrapped(b"h\x07"))
    yield Attack("memo: far away", wrapped(b"j\xff\xff\xff\xff"))
    yield Attack("memo: a list in itself", wrapped(b"]q\x00h\x00a"))
    yield Attack("memo: MEMOIZE of nothing", b"\x80\x04\x94.")
    yield Attack("POP hides a name", wrapped(evil + b"0N"), "builtins.exec")
    yield Attack("POP_MARK hides a name", wrapped(b"(" + evil + b"1N"), "builtins.exec")
    yield Attack("DUP", wrapped(b"]2"), "DUP")
    yield Attack("a call of a text", wrapped(text("os.system") + text(source) + b"\x85R"))
    yield Attack(
        "a call of a record",
        wrapped(named("torch.nn.modules.linear", "Linear") + b")\x81" + text("x") + b"\x85R"),
    )
    yield Attack("arguments that are a list", wrapped(ordered + b"]R"))
    yield Attack("OrderedDict of pairs", wrapped(ordered + b"]\x85R"))
    yield Attack("STACK_GLOBAL of numbers", wrapped(b"K\x01K\x02\x93"))
    yield Attack("STACK_GLOBAL of a name", wrapped(ordered + text("x") + b"\x93"))
    yield Attack("STACK_GLOBAL of one", b"\x80\x04" + text("os") + b"\x93.")
    yield Attack("GLOBAL without an end", wrapped(b"cos\nsystem"))
    yield Attack("GLOBAL with a long name", wrapped(b"c" + b"a" * 10_000 + b"\nx\n"))
    yield Attack("GLOBAL with escapes", wrapped(b"cos\x1b[2J\nsystem\n"), "os\\x1b[2J.system")
    yield Attack("unhashable key", wrapped(b"}]Ns"))
    yield Attack("keys that hash alike", wrapped(b"}(\x8a\x09" + bytes(8) + b"\x01Nu"))
    yield Attack("SETITEMS of a list", wrapped(b"](NNu"))
    yield Attack("APPENDS of a dict", wrapped(b"}(NNe"))
    yield Attack("APPENDS without a mark", b"\x80\x04]e.")
    yield Attack("two files in one", b"\x80\x04}." + b"\x80\x04" + named("os", "system") + b".")
    yield Attack("no pickle", b"\x89PNG\r\n\x1a\n" + bytes(100))
    yield Attack("a zip", b"PK\x03\x04" + bytes(100))
    yield Attack("only STOP", b".")
    yield Attack("another opcode number", wrapped(b"\xfe"))


def nested(pickled: bytes, numbers: bytes = bytes(8)) -> bytes:
    """Storage bytes whose fourth pickle is `pickled`."""
    return (
        MAGIC + b"\x80\x02M\xe9\x03." + FACTS + pickled + b"\x80\x02]" + text("0") + b"a." + numbers
    )


def storage(length: int, *, kind: bytes = b"ctorch\nFloatStorage\n") -> bytes:
    number = b"\x8a\x08" + struct.pack("<q", length)
    return b"\x80\x02(" + text("storage") + kind + text("0") + text("cpu") + number + b"NtQ."


def loaded(data: bytes) -> bytes:
    return stacked("torch.storage", "_load_from_bytes") + binary(data) + b"\x85R"


def _nested(source: str) -> Iterator[Attack]:
    evil = named("builtins", "exec") + text(source) + b"\x85R."
    for label, data in {
        "first": b"\x80\x02" + evil,
        "fourth": nested(b"\x80\x02" + evil),
        "kind": nested(storage(0, kind=named("os", "system"))),
    }.items():
        names = "os.system" if label == "kind" else "builtins.exec"
        yield Attack(f"nested {label}", wrapped(loaded(data)), names)
    again = nested(b"\x80\x02" + loaded(b"x") + b".")
    yield Attack("nested in nested", wrapped(loaded(again)), "torch.storage._load_from_bytes")
    listed = nested(b"\x80\x02" + named("collections", "OrderedDict") + b")R.")
    yield Attack("nested: listed outside only", wrapped(loaded(listed)), "collections.OrderedDict")
    call = nested(b"\x80\x02ctorch\nFloatStorage\n)R.")
    yield Attack("nested: a storage called", wrapped(loaded(call)), "torch.FloatStorage")
    yield Attack("nested: longer than it is", wrapped(loaded(nested(storage(1 << 40)))))
    huge = nested(storage(1 << 40), struct.pack("<q", 1 << 40))
    yield Attack("nested: longer, twice", wrapped(loaded(huge)))
    yield Attack("nested: negative", wrapped(loaded(nested(storage(-1), b"\xff" * 8))))
    yield Attack("nested: no bytes", wrapped(loaded(b"")))
    yield Attack(
        "nested: a text",
        wrapped(stacked("torch.storage", "_load_from_bytes") + text("x") + b"\x85R"),
    )
    for label, member, packed in (
        ("zip with a call", b"\x80\x02" + evil, zipfile.ZIP_STORED),
        ("zip bomb", bytes(50_000_000), zipfile.ZIP_DEFLATED),
        ("zip without a storage", b"\x80\x02N.", zipfile.ZIP_STORED),
    ):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", packed) as archive:
            archive.writestr("archive/data.pkl", member)
            archive.writestr("archive/data/../../canary", b"x")
        names = "builtins.exec" if label == "zip with a call" else ""
        yield Attack(f"nested {label}", wrapped(loaded(buffer.getvalue())), names)
    yield from _tensors()


def _tensors() -> Iterator[Attack]:
    """Tensors that claim more than their storage has."""
    rebuild = stacked("torch._utils", "_rebuild_tensor_v2")
    one = loaded(nested(storage(1), struct.pack("<q", 1) + bytes(4)))
    ordered = named("collections", "OrderedDict") + b")R"
    million = b"\x8a\x04" + struct.pack("<i", 1 << 30)
    shapes = {
        "repeated without end": (b"K\x00", million * 2 + b"\x86", b"K\x00K\x00\x86"),
        "behind its storage": (b"K\x01", b"K\x01\x85", b"K\x01\x85"),
        "of negative size": (b"K\x00", b"J\xff\xff\xff\xff\x85", b"K\x01\x85"),
        "before its storage": (b"J\xff\xff\xff\xff", b"K\x01\x85", b"K\x01\x85"),
        "of many dimensions": (b"K\x00", b"(" + b"K\x01" * 99 + b"t", b"(" + b"K\x01" * 99 + b"t"),
        "of True dimensions": (b"K\x00", b"\x88\x85", b"\x88\x85"),
        "of huge dimensions": (b"K\x00", (b"\x8a\xff" + b"\x7f" * 255) + b"\x85", b"K\x01\x85"),
    }
    for label, (offset, shape, strides) in shapes.items():
        body = rebuild + b"(" + one + offset + shape + strides + b"\x89" + ordered + b"tR"
        yield Attack(f"tensor {label}", wrapped(body))


def _bombs() -> Iterator[Attack]:
    many = 2_000_000
    yield Attack("bomb: empty lists", b"\x80\x04" + b"]" * (10 * many))
    yield Attack("bomb: lists in lists", b"\x80\x04" + b"]" * 200_000 + b"a" * 199_999 + b".")
    yield Attack("bomb: tuples in tuples", b"\x80\x04)" + b"\x85" * 400_000 + b".")
    yield Attack("bomb: dicts in dicts", b"\x80\x04" + b"}" * 90_000 + b"N}s" * 9 + b".")
    yield Attack("bomb: DUP", b"\x80\x04]" + b"2\x86" * 30 + b".", "DUP")
    yield Attack(
        "bomb: doubled by memo",
        b"\x80\x04)\x94" + b"".join(b"h" + bytes([i]) * 1 + b"\x86\x94" for i in range(60)) + b".",
    )
    doubled = b"".join(
        b"h" + bytes([i]) + b"h" + bytes([i]) + b"\x86q" + bytes([i + 1]) for i in range(60)
    )
    yield Attack("bomb: 2 to the 60 by memo", b"\x80\x04)q\x00" + doubled + b".")
    yield Attack("bomb: memo", b"\x80\x04N" + b"\x94" * many)
    yield Attack("bomb: marks", b"\x80\x04" + b"(" * many)
    yield Attack("bomb: LONG1", b"\x80\x04" + (b"\x8a\xff" + b"\x7f" * 255) * 100_000)
    yield Attack("bomb: LONG4", b"\x80\x04\x8b\xff\xff\xff\x7f" + b"\x7f" * 1000, "LONG4")
    yield Attack("bomb: LONG in text", b"\x80\x04L" + b"9" * 5_000_000 + b"L\n.", "LONG")
    yield Attack("bomb: a text without end", b"\x80\x04\x8d" + b"\xff" * 8 + b"x")
    yield Attack("bomb: bytes without end", b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7fx")
    yield Attack("bomb: a frame without end", b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fN.")
    yield Attack(
        "bomb: a large text",
        b"\x80\x04\x8d" + struct.pack("<Q", 50_000_000) + b"x" * 50_000_000 + b".",
    )
    once = nested(storage(250_000), struct.pack("<q", 250_000) + bytes(1_000_000))
    load = stacked("torch.storage", "_load_from_bytes") + b"\x94"
    again = b"h\x00h\x01\x85R" * 90_000
    yield Attack(
        "bomb: nested again and again", b"\x80\x04(" + load + binary(once) + b"\x94" + again + b"t."
    )
    yield Attack(
        "bomb: keys",
        b"\x80\x04}("
        + b"".join(b"J" + struct.pack("<i", n) + b"N" for n in range(240_000))
        + b"u.",
    )
    module = named("torch.nn.modules.container", "Sequential") + b")\x81q\x01"
    empty = text("_parameters") + b"}" + text("_buffers") + b"}"
    body = b"\x80\x04" + module + b"}(" + empty + text("_modules") + b"}ub"
    for _ in range(40):  # each holds the one before it twice
        inner = text("_modules") + b"}(" + text("a") + b"h\x01" + text("b") + b"h\x01u"
        body += b"0" + named("torch.nn.modules.container", "Sequential") + b")\x81"
        body += b"}(" + empty + inner + b"ubq\x01"
    yield Attack("bomb: modules doubled 40 times", body + b"0}" + text("G_ema") + b"h\x01s.")
    own = named("torch.nn.modules.container", "Sequential") + b")\x81q\x01}(" + empty
    own += text("_modules") + b"}" + text("a") + b"h\x01sub"
    yield Attack("bomb: a module in itself", b"\x80\x04}" + text("G_ema") + own + b"s.")
