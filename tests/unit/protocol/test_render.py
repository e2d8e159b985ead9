import re

import pytest

from switch._directory import Settings
from switch.protocol import lifecycle, messages, records, render, session, terms
from switch.protocol.codes import ResponseCode
from switch.protocol.declarations import PARTS, attribute_docstrings, packed_classes
from switch.protocol.layout import layout_of
from switch.protocol.records import RecordKind, record_bytes
from switch.protocol.render_c import layout_pxd, snake_case
from switch.protocol.render_document import document, lifecycle_regions, regions

DOCUMENT = (render.ROOT / render.DOCUMENT).read_text(encoding="utf-8")


def test_everything_that_is_generated_is_up_to_date(capsys):
    outcome = render.main(["--check"])

    assert (outcome, capsys.readouterr().err) == (0, "")


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """The generated files in a directory of their own."""
    files = [render.ROOT / path for path in (render.PXD, render.DOCUMENT, render.LIFECYCLE)]
    for path in files:
        target = tmp_path / path.relative_to(render.ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    monkeypatch.setattr(render, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (render.PXD, "uint32_t trace_number", "uint16_t trace_number"),
        (render.DOCUMENT, "| 0 | 4 | `trace_number` | u32 |", "| 0 | 4 | `trace_number` | u16 |"),
        (render.LIFECYCLE, "| `FREEZE` | `ACTIVE` |", "| `FREEZE` | `LOST` |"),
    ],
)
def test_a_stale_file_is_named_by_check_and_repaired_by_write(copy, capsys, path, old, new):
    right = (copy / path).read_text()
    assert old in right
    (copy / path).write_text(right.replace(old, new, 1))

    assert render.main(["--check"]) == 1
    assert capsys.readouterr().err == f"{path}: out of date; run `python -m switch.protocol.render --write`\n"
    assert render.main(["--write"]) == 0

    assert (copy / path).read_text() == right
    assert render.main(["--check"]) == 0


def test_text_outside_the_marks_is_left_alone():
    text = "before\n<!-- generated: SignOffRequest -->\nold\n<!-- end -->\nafter\n"

    made = document(text)

    assert made.startswith("before\n<!-- generated: SignOffRequest -->\nLast message")
    assert made.endswith("\n<!-- end -->\nafter\n")
    assert "old" not in made


def test_a_mark_that_nothing_makes_is_an_error():
    with pytest.raises(KeyError):
        document("<!-- generated: nothing -->\n<!-- end -->")


def test_every_region_that_can_be_made_is_in_the_document():
    used = re.findall(r"<!-- generated: (.+?) -->", DOCUMENT)

    empty = {cls.__name__ for cls in packed_classes(messages) if not layout_of(cls).fields}
    assert sorted(used) == sorted(regions().keys() - empty)


def test_every_region_of_the_life_cycle_is_in_its_document_and_every_arrow_is_drawn():
    text = (render.ROOT / render.LIFECYCLE).read_text(encoding="utf-8")

    drawn = {
        (start, end, name)
        for start, end, names in re.findall(r"^    (\S+) --> (\w+): (.+)$", text, re.M)
        for name in names.split(", ")
    }
    asked = {
        (
            "[*]" if status is None else status.name.lower(),
            step.to.name.lower(),
            operation.name.lower().replace("_", " "),
        )
        for operation, step in lifecycle.TRANSITIONS.items()
        for status in step.froms
        if step.to is not None and step.to != status
    }
    assert sorted(re.findall(r"<!-- generated: (.+?) -->", text)) == sorted(lifecycle_regions())
    assert asked <= drawn
    assert {name for _, _, name in drawn - asked} == {"restore"}


@pytest.mark.parametrize("cls", [*packed_classes(messages), *packed_classes(records)])
def test_every_struct_has_its_fields_in_the_pxd_in_order(cls):
    layout = layout_of(cls)
    blocks = layout_pxd().split("\n\n\n")
    name = f"cdef packed struct {snake_case(cls.__name__)}_t:"
    found = [block for block in blocks if block.startswith(name)]

    assert len(found) == (1 if layout.fields else 0)
    if found:
        declared = re.findall(r"^    (u?int\d+_t) (\w+)(?:\[(\d+)\])?", found[0], re.M)
        widths = [int(re.sub(r"\D", "", c_type)) // 8 * int(count or 1) for c_type, _, count in declared]
        signed = [not c_type.startswith("u") for c_type, _, _ in declared]
        assert [field for _, field, _ in declared] == [field.name for field in layout.fields]
        assert widths == [field.wire.width_bytes for field in layout.fields]
        assert signed == [
            field.wire.format.islower() and not field.wire.format.endswith("s") for field in layout.fields
        ]


def test_no_line_of_the_pxd_is_too_long():
    assert [line for line in layout_pxd().splitlines() if len(line) > 120] == []


def test_constants_that_an_int_cannot_hold_are_no_enum():
    before, _, after = layout_pxd().partition("cdef extern from *:")

    enums = {int(value, 0) for value in re.findall(r"^    [A-Z_0-9]+ = (0x[0-9a-f]+|\d+)", before, re.M)}
    macros = dict(re.findall(r"#define CARDSWITCH_(\w+) U?INT\d+_C\((\d+)\)", after))
    assert max(enums) < 2**31
    assert macros["AMOUNT_MINOR_MAX"] == str(10**12)
    assert macros["CARD_NUMBER_MAX"] == str(10**19 - 1)


def test_the_length_of_every_kind_of_record_is_in_the_table():
    lengths = dict(re.findall(r"^        \[(\d+)\] = (\d+),", layout_pxd(), re.M))

    assert {int(kind): int(length) for kind, length in lengths.items()} == {
        kind.value: record_bytes(kind) for kind in RecordKind
    }


def test_c_names_are_given_once():
    names = re.findall(r"^    ([A-Z][A-Z_0-9]+) = |^    const \w+\*? ([A-Z_0-9]+) ", layout_pxd(), re.M)

    flat = [first or second for first, second in names]
    assert len(flat) == len(set(flat))
    assert {"TYPE_DEBIT", "CODE_APPROVED", "KIND_ACCOUNT", "FRAME_BYTES_MAX", "NO_LIMIT"} <= set(flat)


def test_the_document_draws_every_transition_and_lists_every_code():
    steps = [(state, step) for state, steps in session.TRANSITIONS.items() for step in steps]
    arrows = re.findall(r"^    (\w+) --> \w+: ", DOCUMENT, re.M)

    assert len(arrows) == len(steps)
    assert all(f"| {code.value} | `{code.name}` |" in DOCUMENT for code in ResponseCode)


def test_the_document_states_the_defaults_of_the_settings_that_a_client_may_meet():
    settings = DOCUMENT.split("| setting | default | beyond it |")[1].split("\n\n")[0]

    stated = {
        name: int(value.replace(",", "")) for name, value in re.findall(r"^\| `(\w+)` \| ([\d,]+) \|", settings, re.M)
    }
    bounds = [name for name in Settings.__struct_fields__ if name.endswith("_max")]
    assert stated == {name: getattr(Settings(), name) for name in bounds}


def test_docstrings_below_assignments_are_found():
    assert attribute_docstrings(messages.Right)["FOLLOW"] == "the journal, records, statistics and who is signed on"
    assert "PROTOCOL_VERSION" not in attribute_docstrings(terms)


def test_an_index_has_all_that_its_parts_declare():
    for index, parts in PARTS.items():
        declared = {
            name
            for part in parts
            for name, value in vars(part).items()
            if isinstance(value, type) and value.__module__ == part.__name__
        }

        assert declared - set(index.__all__) == set()
        assert [name for name in index.__all__ if not hasattr(index, name)] == []
