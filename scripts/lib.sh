# shellcheck shell=bash
# SPDX-License-Identifier: GPL-3.0-or-later
# What scripts/test, scripts/demo and scripts/lab share: getting what is missing, and counting. Source it; it runs nothing.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$ROOT/.venv
OLDEST_TARGET=9      # the oldest Python of hosts on which ansible-core 2.20 and newer run modules
OLDEST_CONTROLLER=11 # ansible-core 2.19, the oldest in .venv, needs Python 3.11 (scripts/core installs older ones)

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

need_root() {
    [[ $EUID -eq 0 ]] || die "this needs root (it makes network namespaces and installs packages): run it again with sudo."
}

# need_apt PACKAGE... installs what is missing.
need_apt() {
    local package missing=() log
    for package in "$@"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    command -v apt-get >/dev/null || die "missing: ${missing[*]}, and there is no apt-get here: install them by hand."
    [[ $EUID -eq 0 ]] || die "missing packages: run 'sudo apt-get install ${missing[*]}', then this again."
    echo "installing ${missing[*]}" >&2
    mkdir -p "$ROOT/.cache"
    log=$ROOT/.cache/apt.log
    compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null || _apt update >"$log" 2>&1 ||
        die "apt-get update failed (see .cache/apt.log): check the network and /etc/apt/sources.list."
    # Old lists name versions that the mirror has dropped: fetch new ones and try once more.
    _apt install "${missing[@]}" >"$log" 2>&1 || { _apt update && _apt install "${missing[@]}"; } >>"$log" 2>&1 ||
        die "apt-get could not install ${missing[*]} (see .cache/apt.log): mend that, then run this again."
}

_apt() {
    local verb=$1
    shift
    DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$verb" --no-install-recommends "$@"
}

# need_lab installs what the datacenter in a box is built from.
need_lab() {
    need_apt mmdebstrap debian-archive-keyring nftables iproute2 openssh-client util-linux
}

# pythons LOWEST prints every Python 3.LOWEST and newer, newest first, as the path of the interpreter itself: a version
# manager's shim is followed, or skipped where it does not run, since ansible-test and venv need the real one.
pythons() {
    local minor folder candidate real
    for ((minor = 15; minor >= $1; minor--)); do
        while read -r folder; do
            candidate=$folder/python3.$minor
            [[ -x $candidate ]] || continue
            real=$("$candidate" -c "import os, sys; sys.version_info[:2] == (3, $minor) and print(os.path.realpath(sys.executable))" \
                2>/dev/null) || continue
            if [[ -n $real ]]; then
                echo "$real"
                break
            fi
        done < <(compgen -G "${PYENV_ROOT:-$HOME/.pyenv}/versions/3.$minor.*/bin" | sort -rV; tr : '\n' <<<"$PATH"; printf '/usr/bin\n/usr/local/bin\n')
    done
}

# need_venv [NAME] makes .venv and installs scripts/requirements.txt, or scripts/requirements-NAME.txt, when it changed.
need_venv() {
    local wanted=$ROOT/scripts/requirements${1:+-$1}.txt stamp sum python
    mkdir -p "$ROOT/.cache"
    exec 8>"$ROOT/.cache/venv.lock"
    flock 8
    if ! "$VENV/bin/python" -c "import sys; sys.exit(sys.version_info < (3, $OLDEST_CONTROLLER))" 2>/dev/null; then
        python=$(_python_for_venv)
        echo "making ${VENV#"$ROOT"/} with $("$python" --version)" >&2
        rm -rf "$VENV"
        "$python" -m venv "$VENV" || die "$python could not make .venv: free some disk space, or install python3-venv."
    fi
    stamp=$VENV/.installed-${wanted##*/}
    sum=$(cat "$ROOT"/scripts/requirements*.txt | sha256sum)
    if [[ $(cat "$stamp" 2>/dev/null) != "$sum" ]]; then
        echo "installing ${wanted#"$ROOT"/} into ${VENV#"$ROOT"/} (a minute or two, once)" >&2
        "$VENV/bin/python" -m pip install -q --disable-pip-version-check -r "$wanted" >"$ROOT/.cache/pip.log" 2>&1 || {
            tail -5 "$ROOT/.cache/pip.log" >&2
            die "pip could not install ${wanted#"$ROOT"/} (see .cache/pip.log): check that the package index is reached."
        }
        echo "$sum" >"$stamp"
    fi
    exec 8>&-
    export PATH=$VENV/bin:$PATH
}

_python_for_venv() {
    local python
    while read -r python; do
        "$python" -c 'import ensurepip, venv' 2>/dev/null && echo "$python" && return
    done < <(pythons $OLDEST_CONTROLLER)
    need_apt python3 python3-venv # Debian ships ensurepip apart from the interpreter
    python=$(pythons $OLDEST_CONTROLLER | head -n 1)
    [[ -n $python ]] || die "no Python 3.$OLDEST_CONTROLLER or newer here: install one (Debian 12 and Ubuntu 24.04 have it as python3)."
    echo "$python"
}

# The collection as it is published, built from this checkout and installed into the folder STAGE, which must lie outside of
# the checkout: in a folder that git ignores, ansible-test skips everything and says ok.
install_collection() (
    # The checkout itself must not be on the path, or ansible-galaxy finds the collection there and installs nothing.
    export ANSIBLE_COLLECTIONS_PATH=$STAGE
    ansible-galaxy collection build --output-path "$STAGE" &&
        ansible-galaxy collection install -p "$STAGE" "$STAGE"/powernap-powernap-*.tar.gz
)

in_collection() (
    cd "$STAGE/ansible_collections/powernap/powernap" && ANSIBLE_COLLECTIONS_PATH=$STAGE "$@"
)

# Of the collection that install_collection has built.
galaxy_importer() (
    cd "$STAGE" || exit
    printf '[galaxy-importer]\nRUN_ANSIBLE_DOC=True\nRUN_ANSIBLE_LINT=False\nRUN_FLAKE8=False\n' >importer.cfg
    GALAXY_IMPORTER_CONFIG=$STAGE/importer.cfg python -m galaxy_importer.main "$STAGE"/powernap-powernap-*.tar.gz
)

# without_warnings COMMAND... fails as the command does, and where Ansible warns of something.
without_warnings() {
    local output status=0
    output=$(mktemp)
    "$@" >"$output" 2>&1 || status=$?
    cat "$output"
    if grep -qE '\[(DEPRECATION )?WARNING\]' "$output"; then
        echo "ERROR: Ansible warns"
        status=1
    fi
    rm "$output"
    return "$status"
}

# ansible-test calls pythonX.Y by name: a version manager's shim, which may not run, must not come before the interpreter.
put_interpreters_first() {
    local python folders=""
    while read -r python; do folders+=":${python%/*}"; done < <(pythons $OLDEST_TARGET)
    export PATH=$VENV/bin$folders:$PATH
}

provide_get_pip() {
    local requirements version stub
    requirements=$(python -c 'import ansible_test, os; print(os.path.join(list(ansible_test.__path__)[0], "_internal/python_requirements.py"))')
    while read -r version; do
        stub=$HOME/.ansible/test/cache/get_pip_${version//./_}.py
        [[ -e $stub ]] || install -D -m 0644 scripts/get_pip_stub.py "$stub"
    done < <(sed -n "s/^ *pip='\([0-9.]*\)'.*/\1/p" "$requirements" | sort -u)
}

# Counting: ok WHAT, bad WHAT, skip WHAT WHY, and at the end tally, which fails where something failed.
PASSED=0 FAILED=0 SKIPPED=0 SKIPS=()

ok() {
    ((PASSED += 1))
    printf 'ok       %s\n' "$*"
}

bad() {
    ((FAILED += 1))
    printf 'FAILED   %s\n' "$*"
}

skip() {
    ((SKIPPED += 1))
    SKIPS+=("$1: $2")
    printf 'SKIPPED  %s: %s\n' "$1" "$2"
}

tally() {
    local line
    for line in "${SKIPS[@]}"; do printf 'not run: %s\n' "$line"; done
    printf '%d passed, %d failed, %d skipped\n' "$PASSED" "$FAILED" "$SKIPPED"
    ((FAILED == 0))
}
