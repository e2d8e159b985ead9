"""Builds each switch/*.pyx, hsm/*.pyx and loadtests/*.pyx as one extension; everything else is in pyproject.toml.

SWITCH_DEBUG=1 keeps the checks, SWITCH_SANITIZE=1 adds AddressSanitizer (`make test SWITCH_SANITIZE=1` preloads it).
SWITCH_NO_EXTENSIONS=1 installs without compiling, for tools/setup.sh, which compiles in a step of its own.
"""

import os
from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup

DEBUG = os.environ.get("SWITCH_DEBUG") == "1"
SANITIZE = os.environ.get("SWITCH_SANITIZE") == "1"
PARALLEL_JOBS_MAX = 2

sanitizers = ["-fsanitize=address", "-fno-omit-frame-pointer"] if SANITIZE else []
# Frames and records are read in place through casts: no strict aliasing. No -march: the build must run on any such CPU.
# Python builds extensions with -Wsign-compare, and Cython's loops over constants compare signed with unsigned.
compile_args = ["-fno-strict-aliasing", "-Wall", "-Wno-unused-function", "-Wno-unused-variable", "-Wno-sign-compare"]
compile_args += sanitizers
# Lines of C are for debuggers; profilers go by names of functions, which stay. The code is the same, the build quicker.
compile_args += ["-O1", "-g", "-UNDEBUG", "-DSWITCH_DEBUG"] if DEBUG else ["-O3", "-g0"]


def extensions():
    """One extension for each .pyx, named by its path."""
    found = [
        Extension(
            path.removesuffix(".pyx").replace(os.sep, "."),
            [path],
            depends=glob("switch/*.h") + glob(f"{os.path.dirname(path)}/*.h"),
            include_dirs=["switch"],
            libraries=["crypto", "pthread"],
            extra_compile_args=compile_args,
            extra_link_args=sanitizers,
        )
        for path in sorted(glob("switch/*.pyx") + glob("hsm/*.pyx") + glob("loadtests/*.pyx"))
    ]
    directives = {
        "language_level": 3,
        "boundscheck": DEBUG,
        "wraparound": False,
        "cdivision": True,
        "initializedcheck": False,
    }
    return cythonize(found, build_dir="build/c", nthreads=PARALLEL_JOBS_MAX, compiler_directives=directives, quiet=True)


setup(ext_modules=[] if os.environ.get("SWITCH_NO_EXTENSIONS") == "1" else extensions())
