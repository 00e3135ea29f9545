"""A reader for Python's pickle format that cannot run anything.

It is no unpickler: it knows a closed list of opcodes (`opcodes`) and of names (`known`), imports
nothing, calls nothing that a file names, and builds inert records (`records`). Whatever else a file
asks for is refused, with its name.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection
from typing import Any, NoReturn

from projgan.errors import CheckpointError, RefusedError
from projgan.importers.known import Pair
from projgan.importers.limits import MAX_MARKS, MAX_TEXT, OPERATIONS_A_LOOK, Budget
from projgan.importers.opcodes import READ, REFUSED
from projgan.importers.records import Record, Reference

MAX_NAME = 200
_MAX_PROTOCOL = 5
_MAX_KEY = 1 << 31

Caller = Callable[[Pair, tuple[Any, ...]], Any]
"""What stands for calling `pair` with arguments: gives a record or plain data."""


class Machine:
    """Reads the pickles that lie one behind the other in `data`.

    Args:
        data: bytes; they are not copied but for texts.
        names: what may be named.
        budget: shared by all that belongs to one file.
        call: works out calls and new objects.
        find: works out persistent ids, which only nested storages have; None: they are refused.
    """

    def __init__(
        self,
        data: memoryview,
        *,
        names: Collection[Pair],
        budget: Budget,
        call: Caller,
        find: Callable[[Any], Any] | None = None,
    ) -> None:
        self.at = 0
        self._data = data
        self._names = names
        self._budget = budget
        self._call = call
        self._find = find
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def read(self) -> Any:
        """The next pickle as records, dicts, lists, tuples, sets, texts, bytes and numbers.

        Raises: CheckpointError: it is damaged, or too much. RefusedError: it asks for something
            outside the closed lists.
        """
        self._stack, self._marks, self._memo = [], [], {}
        while True:
            self._budget.count_operations()
            for left in range(OPERATIONS_A_LOOK, 0, -1):
                code = self._byte()
                if code == _STOP:
                    if len(self._stack) != 1 or self._marks:
                        self._damaged("it ends with an untidy stack")
                    self._budget.operations -= left
                    return self._stack[0]
                step = _STEPS.get(code)
                if step is None:
                    self._refuse_opcode(code)
                step(self)

    # Faults.

    def _damaged(self, what: str) -> NoReturn:
        raise CheckpointError(f"it is damaged or no checkpoint: {what} (byte {self.at:,})")

    def _refuse_opcode(self, code: int) -> NoReturn:
        if code not in REFUSED:
            self._damaged(f"there is no opcode {code:#04x}")
        asks = f"the pickle opcode {REFUSED[code]}"
        if REFUSED[code] == "INST":
            module, name = self._line(), self._line()
            asks = f"{module}.{name} by {asks}"
        refuse(asks)

    # The bytes.

    def _take(self, count: int) -> memoryview:
        end = self.at + count
        if end > len(self._data):
            self._damaged("it ends early")
        part = self._data[self.at : end]
        self.at = end
        return part

    def _byte(self) -> int:
        if self.at >= len(self._data):
            self._damaged("it ends early")
        self.at += 1
        return self._data[self.at - 1]

    def _number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "little")

    def _text(self, size: int) -> str:
        if size > MAX_TEXT:
            self._damaged(f"a text of {size:,} bytes")
        try:
            return str(self._take(size), "utf-8", "surrogatepass")
        except UnicodeDecodeError:
            self._damaged("a text that is none")

    def _line(self) -> str:
        start = bytes(self._data[self.at : self.at + MAX_NAME])
        line, newline, _ = start.partition(b"\n")
        if not newline:
            self._damaged("a name without an end")
        self.at += len(line) + 1
        return line.decode("utf-8", "backslashreplace")

    # The stack.

    def _pop(self) -> Any:
        floor = self._marks[-1] if self._marks else 0
        if len(self._stack) <= floor:
            self._damaged("its stack is empty")
        return self._stack.pop()

    def _top(self, kind: type[Any]) -> Any:
        floor = self._marks[-1] if self._marks else 0
        if len(self._stack) <= floor or type(self._stack[-1]) is not kind:
            self._damaged(f"there is no {kind.__name__} where one belongs")
        return self._stack[-1]

    def _pop_to_mark(self) -> list[Any]:
        if not self._marks:
            self._damaged("there is no mark")
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _remember(self, index: int) -> None:
        value = self._pop()
        self._memo[index] = value
        self._stack.append(value)

    def _recall(self, index: int) -> None:
        if index not in self._memo:
            self._damaged(f"nothing was remembered as {index}")
        self._stack.append(self._memo[index])

    # What opcodes do.

    def _check_protocol(self) -> None:
        if self._byte() > _MAX_PROTOCOL:
            self._damaged("an unknown protocol")

    def _check_frame(self) -> None:
        if self._number(8) > len(self._data) - self.at:
            self._damaged("it ends early")

    def _mark(self) -> None:
        if len(self._marks) >= MAX_MARKS:
            self._damaged("it is nested too deeply")
        self._marks.append(len(self._stack))

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _push_tuple(self, count: int) -> None:
        items = [self._pop() for _ in range(count)]
        self._stack.append(tuple(reversed(items)))

    def _extend_list(self, items: list[Any]) -> None:
        self._top(list).extend(items)

    def _fill_dict(self, items: list[Any]) -> None:
        if len(items) % 2:
            self._damaged("a key without a value")
        filled = self._top(dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            self._require_key(key)
            filled[key] = value

    def _fill_set(self, items: list[Any]) -> None:
        for item in items:
            self._require_key(item)
        self._top(set).update(items)

    def _require_key(self, key: Any) -> None:
        """Only texts and small numbers: others could be made to hash alike, or to hash slowly."""
        if type(key) not in (str, bool, int, type(None)):
            self._damaged(f"a {type(key).__name__} as a key")
        if type(key) is int and not -_MAX_KEY < key < _MAX_KEY:
            self._damaged("a number as a key that is too large")

    def _pair_items(self) -> list[Any]:
        value = self._pop()
        return [self._pop(), value]

    def _name(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str:
            self._damaged("a name that is no text")
        if (module, name) not in self._names:
            refuse(f"{module[:MAX_NAME]}.{name[:MAX_NAME]}")
        self._stack.append(Reference(module, name))

    def _name_lines(self) -> None:
        module = self._line()
        self._name(module, self._line())

    def _name_from_stack(self) -> None:
        name = self._pop()
        self._name(self._pop(), name)

    def _stand_for_call(self) -> None:
        arguments = self._pop()
        called = self._pop()
        if type(called) is not Reference or type(arguments) is not tuple:
            self._damaged("a call of something that is no name")
        self._stack.append(self._call((called.module, called.name), arguments))

    def _set_state(self) -> None:
        state = self._pop()
        record = self._top(Record)
        if record.state is not None:
            self._damaged("an object with two states")
        record.state = state

    def _find_persistent(self) -> None:
        if self._find is None:
            refuse("the pickle opcode BINPERSID")
        self._stack.append(self._find(self._pop()))


def refuse(asks: str) -> NoReturn:
    """Raise: the file asks for something outside the closed lists."""
    raise RefusedError(
        f"the file asks for {asks}, which no checkpoint needs that can be imported",
        safe="nothing in it was run, and nothing was written",
    )


_STOP = 0x2E
_ACTIONS: dict[str, Callable[[Machine], object]] = {
    "PROTO": Machine._check_protocol,
    "FRAME": Machine._check_frame,
    "MARK": Machine._mark,
    "POP": Machine._pop,
    "POP_MARK": Machine._pop_to_mark,
    "NONE": lambda m: m._push(None),
    "NEWTRUE": lambda m: m._push(True),
    "NEWFALSE": lambda m: m._push(False),
    "BININT": lambda m: m._push(int.from_bytes(m._take(4), "little", signed=True)),
    "BININT1": lambda m: m._push(m._byte()),
    "BININT2": lambda m: m._push(m._number(2)),
    "LONG1": lambda m: m._push(int.from_bytes(m._take(m._byte()), "little", signed=True)),
    "BINFLOAT": lambda m: m._push(struct.unpack(">d", m._take(8))[0]),
    "BINUNICODE": lambda m: m._push(m._text(m._number(4))),
    "SHORT_BINUNICODE": lambda m: m._push(m._text(m._byte())),
    "BINUNICODE8": lambda m: m._push(m._text(m._number(8))),
    "BINBYTES": lambda m: m._push(m._take(m._number(4))),
    "SHORT_BINBYTES": lambda m: m._push(m._take(m._byte())),
    "BINBYTES8": lambda m: m._push(m._take(m._number(8))),
    "EMPTY_TUPLE": lambda m: m._push(()),
    "TUPLE1": lambda m: m._push_tuple(1),
    "TUPLE2": lambda m: m._push_tuple(2),
    "TUPLE3": lambda m: m._push_tuple(3),
    "TUPLE": lambda m: m._push(tuple(m._pop_to_mark())),
    "EMPTY_LIST": lambda m: m._push([]),
    "APPEND": lambda m: m._extend_list([m._pop()]),
    "APPENDS": lambda m: m._extend_list(m._pop_to_mark()),
    "EMPTY_DICT": lambda m: m._push({}),
    "SETITEM": lambda m: m._fill_dict(m._pair_items()),
    "SETITEMS": lambda m: m._fill_dict(m._pop_to_mark()),
    "EMPTY_SET": lambda m: m._push(set()),
    "ADDITEMS": lambda m: m._fill_set(m._pop_to_mark()),
    "MEMOIZE": lambda m: m._remember(len(m._memo)),
    "BINPUT": lambda m: m._remember(m._byte()),
    "LONG_BINPUT": lambda m: m._remember(m._number(4)),
    "BINGET": lambda m: m._recall(m._byte()),
    "LONG_BINGET": lambda m: m._recall(m._number(4)),
    "GLOBAL": Machine._name_lines,
    "STACK_GLOBAL": Machine._name_from_stack,
    "REDUCE": Machine._stand_for_call,
    "NEWOBJ": Machine._stand_for_call,
    "BUILD": Machine._set_state,
    "BINPERSID": Machine._find_persistent,
}
_STEPS = {code: _ACTIONS[name] for code, name in READ.items() if name != "STOP"}
