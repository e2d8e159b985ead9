"""The four PKCS#11 calls that carry secrets, straight from and into locked memory.

PyKCS11 copies attribute values and PINs through Python objects and heap that nobody wipes, and has no C_CopyObject.
These go through the module's own function list (PKCS#11 v2.40, section 4) with pointers into key slots.
"""

import ctypes
from collections.abc import Sequence

import PyKCS11

from hsm._memory import KeySlot

# Places in CK_FUNCTION_LIST; the order is part of the standard and has not changed since version 2.0.
LOGIN, CREATE_OBJECT, COPY_OBJECT, GET_ATTRIBUTE_VALUE = 18, 20, 21, 24
FUNCTION_COUNT = 68

Template = Sequence[tuple[int, bool | int | str | bytes]]
"""Attributes by their CKA_ number."""

_ulong = ctypes.c_ulong


class _Attribute(ctypes.Structure):
    _fields_ = (("type", _ulong), ("value", ctypes.c_void_p), ("value_bytes", _ulong))


class _FunctionList(ctypes.Structure):
    _fields_ = (("version", ctypes.c_ubyte * 2), ("functions", ctypes.c_void_p * FUNCTION_COUNT))


def _function(functions: "ctypes.Array[ctypes.c_void_p]", place: int, *arguments: object) -> "ctypes._FuncPointer":
    prototype = ctypes.CFUNCTYPE(_ulong, *arguments)  # type: ignore[arg-type]
    return prototype(functions[place])  # type: ignore[arg-type]


class Cryptoki:
    """A module that PyKCS11 has loaded and initialised. Only for the thread that owns the token."""

    def __init__(self, module_path: str) -> None:
        listing = ctypes.POINTER(_FunctionList)()
        # The loader gives back the library that PyKCS11 loaded, with its state.
        self._library = ctypes.CDLL(module_path)
        _raise_unless_ok(self._library.C_GetFunctionList(ctypes.byref(listing)))
        functions = listing.contents.functions
        template, handle = ctypes.POINTER(_Attribute), ctypes.POINTER(_ulong)
        self._login = _function(functions, LOGIN, _ulong, _ulong, ctypes.c_void_p, _ulong)
        self._create = _function(functions, CREATE_OBJECT, _ulong, template, _ulong, handle)
        self._copy = _function(functions, COPY_OBJECT, _ulong, _ulong, template, _ulong, handle)
        self._get = _function(functions, GET_ATTRIBUTE_VALUE, _ulong, _ulong, template, _ulong)

    def login(self, session: int, pin: KeySlot) -> None:
        """C_Login as the user."""
        borrowed = _borrow(pin)
        _raise_unless_ok(self._login(session, PyKCS11.CKU_USER, ctypes.addressof(borrowed), len(pin)))

    def create(self, session: int, template: Template, value: KeySlot) -> int:
        """C_CreateObject with CKA_VALUE from a slot; the object's handle."""
        borrowed = _borrow(value)
        last = _Attribute(PyKCS11.CKA_VALUE, ctypes.addressof(borrowed), len(value))
        attributes, _kept = _encode(template, last)
        handle = _ulong()
        _raise_unless_ok(self._create(session, attributes, len(attributes), ctypes.byref(handle)))
        return handle.value

    def copy(self, session: int, source: int, template: Template) -> int:
        """C_CopyObject with the attributes that differ; the new object's handle."""
        attributes, _kept = _encode(template)
        handle = _ulong()
        _raise_unless_ok(self._copy(session, source, attributes, len(attributes), ctypes.byref(handle)))
        return handle.value

    def read_value(self, session: int, source: int, slot: KeySlot) -> None:
        """C_GetAttributeValue of CKA_VALUE into a slot of just its length."""
        borrowed = _borrow(slot)
        attributes = (_Attribute * 1)(_Attribute(PyKCS11.CKA_VALUE, ctypes.addressof(borrowed), len(slot)))
        _raise_unless_ok(self._get(session, source, attributes, 1))
        if attributes[0].value_bytes != len(slot):
            raise PyKCS11.PyKCS11Error(PyKCS11.CKR_ATTRIBUTE_VALUE_INVALID)


def _borrow(slot: KeySlot) -> "ctypes.Array[ctypes.c_ubyte]":
    """The slot's own bytes; the slot is not given to anyone else while this lives."""
    return (ctypes.c_ubyte * len(slot)).from_buffer(slot)


def _encode(template: Template, *more: _Attribute) -> "tuple[ctypes.Array[_Attribute], list[object]]":
    """The template as C wants it, and what it points at, to be kept until the call is over."""
    attributes = (_Attribute * (len(template) + len(more)))()
    kept: list[object] = []
    for place, (kind, given) in enumerate(template):
        if isinstance(given, bool):
            value = bytes([given])
        elif isinstance(given, int):
            value = bytes(_ulong(given))
        else:
            value = given.encode() if isinstance(given, str) else given
        buffer = ctypes.create_string_buffer(value, len(value))
        kept.append(buffer)
        attributes[place] = _Attribute(kind, ctypes.addressof(buffer), len(value))
    for place, attribute in enumerate(more, len(template)):
        attributes[place] = attribute
    return attributes, kept


def _raise_unless_ok(code: int) -> None:
    if code != PyKCS11.CKR_OK:
        raise PyKCS11.PyKCS11Error(code)
