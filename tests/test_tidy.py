"""House rules.

Two more are ruff's, in pyproject.toml, since it resolves names better than we would: public things of .py files have
docstrings (D10x), and only named modules ask a clock or draw at random (TID251). ruff does not read Cython; the tests
here do, and import-linter is not used for the same reason.
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Who may import what of ours. A module belongs to the longest name that fits it.
MAY_IMPORT = {
    "switch.protocol": ["switch.protocol"],
    "switch": ["switch", "hsm"],
    "hsm": ["hsm"],
    "terminals": ["terminals", "switch.protocol", "hsm"],
    "admin": ["admin", "switch.protocol", "switch._blocks", "switch.ledger"],  # the last two for reading only
    "loadtests": ["loadtests", "terminals", "switch.protocol"],
    "loadtests.pages": ["loadtests", "switch.protocol", "admin", "cardswitch.admin"],  # measures the admin service
    "loadtests.members": ["loadtests", "admin"],  # fills it
    "cardswitch": ["cardswitch", "switch", "hsm", "terminals", "admin", "loadtests"],  # the command stands above all
}
OURS = [*MAY_IMPORT, "tests"]

LINES_MAX = 500
LONGER_FOR_A_REASON: dict[str, str] = {
    "tools/verify_receipt.py": "outsiders take it as one file, without this project",
}

# As TID251 for .py files: who may ask a clock or draw at random in Cython, and why.
CLOCK_OR_CHANCE = re.compile(
    r"\b(time\.(time|monotonic|perf_counter)|datetime\.now|random\.|urandom|secrets\.)"
    r"|\b(clock_gettime|gettimeofday|getrandom|RAND_bytes|RAND_priv_bytes)\b"
)
CLOCK_OR_CHANCE_FOR_A_REASON = {
    "switch/group_commit.pyx": "measures how long a sync takes; no decision sees it",
    "hsm/_cipher.pyx": "makes keys, salts and nonces",
}

WORKPLACE = re.compile(r"/[w]ork/|/[f]arm/|\.\./[s]hared|(?<!\w)\.[l]ibrary")
AS_THEY_CAME = ("tests/fuzz/corpus/", "admin/static/vendor/")
"""Files of others, byte for byte: SHA256SUMS beside them says what they must be."""
BUILD_OUTPUT = re.compile(r"\.(so|o|a|pyc|whl)$|(^|/)(build|dist|\.venv|__pycache__|[^/]*\.egg-info)/")


def files(*suffixes: str) -> list[str]:
    """What git has or would add."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    return [
        name for name in sorted({*names}) if (ROOT / name).is_file() and (not suffixes or Path(name).suffix in suffixes)
    ]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def within(module: str, packages: list[str]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def imports(name: str) -> Iterator[str]:
    """The dotted names that a .py, .pyi, .pyx or .pxd file imports, `from a import b` being a.b."""
    package = name.split("/")[:-1]
    if name.endswith((".py", ".pyi")):
        for node in ast.walk(ast.parse(text(name))):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = package[: len(package) - node.level + 1] if node.level else []
                yield from (".".join([*base, *filter(None, [node.module]), alias.name]) for alias in node.names)
        return
    for dots, module, names in re.findall(r"^\s*from\s+(\.*)([\w.]*)\s+c?import\s+\(?([^()#\n]*)", text(name), re.M):
        base = package[: len(package) - len(dots) + 1] if dots else []
        start = ".".join([*base, *filter(None, [module])])
        yield from (f"{start}.{word.split()[0]}" for word in names.split(",") if word.strip())
        yield from [start] if not names.strip() else []
    for names in re.findall(r"^\s*c?import\s+([^#\n]+)", text(name), re.M):
        yield from (word.split()[0] for word in names.split(","))


def test_imports_go_one_way():
    offenders = []
    for name in files(".py", ".pyi", ".pyx", ".pxd"):
        module = name.rpartition(".")[0].removesuffix("/__init__").replace("/", ".")
        owner = max((package for package in MAY_IMPORT if within(module, [package])), key=len, default=None)
        if owner:
            offenders += [
                f"{name} imports {target}"
                for target in imports(name)
                if within(target, OURS) and not within(target, MAY_IMPORT[owner])
            ]
    assert offenders == []


def test_modules_fit_in_the_head():
    sizes = {name: text(name).count("\n") for name in files(".py", ".pyx") if name not in LONGER_FOR_A_REASON}
    assert [(name, size) for name, size in sizes.items() if size > LINES_MAX] == []


def test_public_cython_has_docstrings():
    head = re.compile(r"^(?:cdef class|class|cpdef|def) (?:[^\n(:]* )?([a-zA-Z]\w*)\b.*?:[ ]*(?:#.*?)?\n(.*)", re.M)
    offenders = []
    for name in files(".pyx"):
        # A signature over several lines becomes one.
        source = re.sub(r"\(([^()]*)\)", lambda found: found[0].replace("\n", " "), text(name))
        if not re.match(r'(\s*#.*\n|\s*\n)*"""', source):
            offenders.append(name)
        offenders += [
            f"{name}: {found}" for found, body in head.findall(source) if not body.lstrip("\t rR").startswith('"""')
        ]
    assert offenders == []


def test_cython_modules_have_stubs():
    assert [name for name in files(".pyx") if not (ROOT / name).with_suffix(".pyi").exists()] == []


def test_cython_asks_no_clock_and_draws_nothing():
    offenders = [
        f"{name}: {line.strip()}"
        for name in files(".pyx", ".pxd", ".h")
        if not name.startswith(("loadtests/", "tests/")) and name not in CLOCK_OR_CHANCE_FOR_A_REASON
        for line in [*text(name).splitlines(), *imports(name)]
        if CLOCK_OR_CHANCE.search(line.partition("#")[0])
    ]
    assert offenders == []


def test_git_holds_no_generated_files():
    assert [name for name in files() if BUILD_OUTPUT.search(name)] == []
    assert [name for name in files(".c", ".cpp") if "Generated by Cython" in text(name)[:200]] == []


def test_no_file_names_the_place_where_it_was_written():
    offenders = [name for name in files() if WORKPLACE.search((ROOT / name).read_bytes().decode("utf-8", "replace"))]
    assert offenders == []


def test_locks_name_no_registry():
    assert [name for name in files(".lock") if "://" in text(name)] == []


def test_text_files_end_in_a_newline():
    contents = {name: (ROOT / name).read_bytes() for name in files() if not name.startswith(AS_THEY_CAME)}
    text_files = {name: content for name, content in contents.items() if content and b"\0" not in content}
    assert [name for name, content in text_files.items() if not content.endswith(b"\n")] == []
