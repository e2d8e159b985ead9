#!/usr/bin/env bash
# The two steps of set-up. The Makefile calls each one when it is due:
#   packages             Debian packages that are missing, .venv, and exactly what locks/ names
#   extensions FLAVOUR   the project itself, editable, and its compiled modules
# Silent but for one line a step and the compiler's warnings; build/setup.log keeps what the last command said.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p build
exec 9>build/setup.lock
flock 9 # two makes at once take turns
touch build/started # what is edited while a step runs is newer than its stamp

log=build/setup.log
# No user of its own for downloads: that fails where /dev or /tmp are stricter than apt expects, as in some containers.
APT=(apt-get -o DPkg::Lock::Timeout=300 -o APT::Sandbox::User=root)

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 1; }

# Runs a command; shows what it said only if it fails, and of a Cython error only the error, not the stack behind it.
quietly() {
    "$@" >"$log" 2>&1 </dev/null && return
    if grep -q '^Error compiling Cython file' "$log"; then
        sed -E '/^(concurrent\.futures|Traceback)/,$d' "$log"
    else
        tail -n 40 "$log"
    fi >&2
    fail "failed: $*"
}

has_header() { echo "#include <$1>" | gcc -E -x c - >/dev/null 2>&1; }

# Prints the Debian packages that are needed and absent, judged by what is really there, so that a Python built from source is as good.
missing_debian_packages() {
    local python=$1 version
    version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    command -v gcc >/dev/null || echo gcc
    has_header stdio.h || echo libc6-dev
    has_header openssl/evp.h || echo libssl-dev
    pkg-config --exists libpcsclite 2>/dev/null || echo libpcsclite-dev
    command -v pkg-config >/dev/null || echo pkg-config
    "$python" -c 'import ensurepip, venv' 2>/dev/null || echo "$version-venv"
    "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' ||
        echo "$version-dev"
}

install_debian_packages() {
    local python=$1 missing
    missing=$(missing_debian_packages "$python" | tr '\n' ' ')
    missing=${missing% }
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || fail "needs what Debian calls: $missing"
    [ "$(id -u)" = 0 ] || fail "run this first, then make again:
    sudo apt-get update && sudo apt-get install -y --no-install-recommends $missing"
    say "Debian packages: $missing"
    export DEBIAN_FRONTEND=noninteractive
    quietly "${APT[@]}" update
    # shellcheck disable=SC2086  # a list
    quietly "${APT[@]}" install -y --no-install-recommends $missing
    missing=$(missing_debian_packages "$python" | tr '\n' ' ')
    [ -z "$missing" ] || fail "$python still lacks what Debian calls: $missing"
}

# What only tests need: a token in software, pcscd, and a reader that is not there. Where systemd would start pcscd, the driver of that reader
# opens a port to everybody, so there a person decides; without them the tests of chip cards and tokens are skipped and say so.
missing_test_packages() {
    [ -x /usr/sbin/pcscd ] || command -v pcscd >/dev/null || echo pcscd
    # The admin service's: a browser, letters for Chinese, a database server.
    command -v chromium >/dev/null || echo chromium
    ls /usr/share/fonts/*/noto/NotoSansCJK-*.ttc >/dev/null 2>&1 || echo fonts-noto-cjk
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || echo postgresql
    [ -e /usr/lib/pcsc/drivers/serial/libifdvpcd.so ] || echo vsmartcard-vpcd
    # A token in software, so that no HSM is needed.
    [ -e /usr/lib/softhsm/libsofthsm2.so ] && command -v softhsm2-util >/dev/null || echo softhsm2
}

install_test_packages() {
    local missing
    missing=$(missing_test_packages | tr '\n' ' ')
    missing=${missing% }
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ] || [ -d /run/systemd/system ] || ! command -v apt-get >/dev/null; then
        say "tests of chip cards, tokens, browsers and PostgreSQL will be skipped; for them:
    sudo apt-get update && sudo apt-get install -y --no-install-recommends $missing"
        return 0
    fi
    say "Debian packages for tests: $missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086  # a list
    { "${APT[@]}" update && "${APT[@]}" install -y --no-install-recommends $missing; } >"$log" 2>&1 </dev/null ||
        say "they cannot be had now: tests of chip cards, tokens, browsers and PostgreSQL will be skipped, and say so"
}

packages() {
    local python=${PYTHON:-python3}
    command -v "$python" >/dev/null || fail "no $python here: name a Python 3.11 or later with PYTHON=…"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$python is older than 3.11: name another with PYTHON=…"
    install_debian_packages "$python"
    install_test_packages
    if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c '' 2>/dev/null ||
        { [ -n "${PYTHON:-}" ] && [ "$(cat .venv/.interpreter 2>/dev/null)" != "$PYTHON" ]; }; then
        say "making .venv with $("$python" --version)"
        quietly "$python" -m venv --clear .venv
        echo "$python" >.venv/.interpreter
    fi
    say "Python packages from locks/"
    quietly .venv/bin/python -m pip install --require-hashes --no-deps -r locks/build.lock
    # uv reads no pip settings: hand on the one that matters, and trust what the system trusts.
    [ -z "${PIP_INDEX_URL:-}" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}"
    # No isolation: what is built (pyscard) is built with the tools of build.lock.
    quietly .venv/bin/uv pip sync --python .venv/bin/python --system-certs --require-hashes --no-build-isolation --compile-bytecode \
        locks/build.lock locks/run.lock locks/dev.lock
    touch -r build/started .venv/.stamp-packages
}

extensions() {
    local flavour=$1 stamp=.venv/.stamp-built-$1
    if [ ! -e "$stamp" ] || [ setup.py -nt "$stamp" ]; then # first build, or other flags than last time
        rm -rf .venv/.stamp-built-* build/c build/lib.* switch/*.so hsm/*.so loadtests/*.so
    fi
    say "building ($flavour)"
    SWITCH_NO_EXTENSIONS=1 quietly .venv/bin/uv pip install --python .venv/bin/python --offline --no-deps --no-build-isolation --editable .
    quietly .venv/bin/python setup.py build_ext --inplace --parallel 2
    # Whoever runs it may not write here, and then would compile it at each start.
    quietly .venv/bin/python -m compileall -q -j 2 cardswitch switch hsm terminals admin loadtests
    grep -B1 -A4 -i 'warning' "$log" >&2 || true
    touch -r build/started "$stamp"
}

case ${1:-} in
packages | extensions) "$@" ;;
*) fail "usage: tools/setup.sh packages | extensions FLAVOUR" ;;
esac
