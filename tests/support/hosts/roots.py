"""How a root folder for real servers is put together from mounts: the shell texts, and nothing that runs them.

Every text runs as root in a mount namespace of its own, so what it mounts is gone with its last process.
"""

from __future__ import annotations

from typing import Final

UNSHARE: Final = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private")
"""What every text here is started with: its mounts and its processes end together."""

_DEVICES: Final = r"""
mount -t proc proc root/proc
mount -t tmpfs -o mode=755 tmpfs root/dev
for node in null zero full random urandom tty; do
    : > "root/dev/$node"
    mount --bind "/dev/$node" "root/dev/$node"
done
mkdir root/dev/pts root/dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts root/dev/pts
mount -t tmpfs -o mode=1777 tmpfs root/dev/shm
ln -s pts/ptmx root/dev/ptmx
ln -s /proc/self/fd root/dev/fd
mount -t tmpfs -o mode=755 tmpfs root/run
mkdir -m 1777 root/run/lock
mkdir -p root/tmp && chmod 1777 root/tmp
"""

_INSTALL: Final = (
    _DEVICES
    + r"""
rm -f root/etc/resolv.conf
cp -L /etc/resolv.conf root/etc/resolv.conf
printf '#!/bin/sh\nexit 101\n' > root/usr/sbin/policy-rc.d  # apt starts nothing
chmod 755 root/usr/sbin/policy-rc.d
exec chroot root /bin/sh -euc '
    cd /
    thrice() { for pause in 5 20; do "$@" && return; sleep "$pause"; done; "$@"; }
    thrice apt-get -q update
    thrice apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io \
        -o Dpkg::Options::=--force-confnew install "$@"
    apt-get -q clean
' sh "$@"
"""
)
BUILD: Final = (
    r"""
# $1: the layer's folder; the rest: packages. What is written below root lands in upper, the machine stays as it is.
cd "$1"; shift
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root
"""
    + _INSTALL
)
"""Lay the machine's root under a writable layer and install packages in it."""

EXTEND: Final = r"""
# $1: the layer's folder; $2: the release below it; the rest: packages. No service of them is enabled.
cd "$1"; release=$2; shift 2
mount -t overlay -o lowerdir="$release",upperdir=upper,workdir=work overlay root
""" + _INSTALL.replace("apt-get -q clean", "apt-get -q clean; systemctl disable exim4 inetd pure-ftpd stunnel4 || :")
"""Install further packages in a layer above a bootstrapped release."""

_LAYERED: Final = r"""
# $1: the layer's folder; $2: an empty folder to mount on; $3: the checkout; $4: the host's name.
read -r outer_pid rest < /proc/self/stat
mount -t tmpfs -o mode=755 tmpfs "$2"
cd "$2"
mkdir layer machine nothing upper work root
mount --bind "$1" layer
# Two layers of which one lies inside the other are refused where both are of one file system: the outer one is
# wrapped in an overlay of its own, which makes it another.
mount -t overlay -o lowerdir=/:nothing overlay machine
mount -t overlay -o lowerdir=layer:machine,upperdir=upper,workdir=work overlay root
"""
_NAMED: Final = r"""
mkdir -p "root$3"
mount --bind "$3" "root$3"
mount -o remount,bind,ro "root$3"
mount -t sysfs -o ro sysfs root/sys
printf '%s' "$4" > /proc/sys/kernel/hostname
"""
_FIRST_PROCESS: Final = r"""
# The number is printed inside the new root, because its reader enters that root at once. The kernel itself reaps what
# daemons leave behind.
exec chroot @ROOT@ sh -c 'echo "$1"; exec env --ignore-signal=CHLD cat' sh "$outer_pid"
"""

BOOT: Final = _LAYERED + _DEVICES + _NAMED + _FIRST_PROCESS.replace("@ROOT@", "root")
"""Start a host: a fresh writable root over a built layer, gone with the process that holds its standard input."""

_RELEASE: Final = (
    r"""
# $1: a bootstrapped root; $2: an empty folder to mount on; $3: the host's name; $4: the folder of its disk, or none.
read -r outer_pid rest < /proc/self/stat
mount -t tmpfs -o mode=755 tmpfs "$2"
cd "$2"
disk=${4:-.}
mkdir -p "$disk/upper" "$disk/work" root
mount -t overlay -o lowerdir="$1",upperdir="$disk/upper",workdir="$disk/work" overlay root
"""
    + _DEVICES
    + r"""
mount -t sysfs -o ro sysfs root/sys
printf '%s' "$3" > /proc/sys/kernel/hostname
"""
)

BOOT_RELEASE: Final = _RELEASE + _FIRST_PROCESS.replace("@ROOT@", "root")
"""Start a host of a Debian release without an init system, as BOOT does."""

BOOT_WITH_CONTAINERS: Final = (
    _LAYERED
    + _DEVICES
    + _NAMED
    + r"""
# $5: a bootstrapped root, from which the containers are made.
mkdir root/image root/containers
mount --bind "$5" root/image
mount -o remount,bind,ro root/image
mount -t tmpfs -o mode=755 tmpfs root/containers
mount --rbind /sys/fs/cgroup root/sys/fs/cgroup
# The root directory has to be that of the mount namespace: runc makes the container's from it.
cd root
pivot_root . .
umount -l .
"""
    + _FIRST_PROCESS.replace("@ROOT@", ".")
)
"""Start a host on which podman runs containers."""

BOOTSTRAP: Final = r"""
# $1: the layer's folder; $2: the suite; the rest: packages. A whole Debian lands in upper, with no service enabled.
cd "$1"; suite=$2; shift 2
mkdir scratch
mount -t tmpfs -o mode=755 tmpfs scratch
mkdir scratch/upper scratch/work
mount -t overlay -o lowerdir=/,upperdir=scratch/upper,workdir=scratch/work overlay root
mount -t proc proc root/proc
mount --rbind /dev root/dev
rm -f root/etc/resolv.conf
cp -L /etc/resolv.conf root/etc/resolv.conf
mount --bind upper root/mnt
chroot root /bin/sh -euc '
    suite=$1; shift
    thrice() { for pause in 5 20; do "$@" && return; sleep "$pause"; done; "$@"; }
    thrice apt-get -q update
    thrice apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 install debootstrap
    site=$(apt-get indextargets --format "\$(SITE)" "Component: main" | grep "/debian\$" | head -n 1)
    packages=$(echo "$@" | tr " " ",")
    thrice debootstrap --variant=minbase --include="$packages" "$suite" /mnt "$site"
    chroot /mnt systemctl disable apache2 dovecot nginx ssh
    rm -rf /mnt/var/cache/apt/archives /mnt/var/lib/apt/lists
' sh "$suite" "$@"
"""
"""Install a Debian release of its own, for hosts that start with systemd."""

BOOT_SYSTEMD: Final = (
    _RELEASE
    + r"""
mount -t tmpfs -o mode=1777 tmpfs root/tmp
mount -t tmpfs -o mode=755 tmpfs root/sys/fs/cgroup
mkdir root/sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd systemd root/sys/fs/cgroup/systemd
printf '%s\n' "$3" > root/etc/hostname
# As on a machine, the root directory is that of the mount namespace: units get mount namespaces made from it.
cd root
pivot_root . .
umount -l .
# systemd 257 starts below the old kind of cgroups only with this option.
exec chroot . env -i container=podman SYSTEMD_PROC_CMDLINE=SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1 \
    PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c 'echo "$1"; exec /sbin/init </dev/null >/dev/null 2>&1' sh "$outer_pid"
"""
)
"""Start a host with its own systemd as first process: it ends with the process that unshared its namespaces."""

BROWSE: Final = r"""
# $1: the layer's folder; $2: an empty folder to mount on; the rest: a command. Devices and /tmp are shared.
layer=$1
mount -t tmpfs -o mode=755 tmpfs "$2"
cd "$2"; shift 2
mkdir layer machine nothing upper work root
mount --bind "$layer" layer
mount -t overlay -o lowerdir=/:nothing overlay machine
mount -t overlay -o lowerdir=layer:machine,upperdir=upper,workdir=work overlay root
mount -t proc proc root/proc
mount --rbind /dev root/dev
mount --bind /tmp root/tmp
exec chroot root "$@"
"""
"""Run one program of a built layer for the caller: same files below /tmp, same devices."""

PYTHON: Final = (
    r"""
# $1: a bootstrapped root with python3-venv; $2: an empty folder to mount on; $3: the checkout; the rest: for pytest.
release=$1 checkout=$3
mount -t tmpfs -o mode=755 tmpfs "$2"
cd "$2"; shift 3
mkdir upper work root
mount -t overlay -o lowerdir="$release",upperdir=upper,workdir=work overlay root
"""
    + _DEVICES
    + r"""
for file in /etc/resolv.conf /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
    [ ! -e "$file" ] || { mkdir -p "root${file%/*}"; rm -f "root$file"; cp -L "$file" "root$file"; }
done
mkdir root/checkout
tar -C "$checkout" --exclude=./.lab --exclude=./.venv --exclude=./.git -c . | tar -C root/checkout -x
exec chroot root /bin/sh -euc '
    cd /checkout
    python3 -m venv /venv
    thrice() { for pause in 5 20; do "$@" && return; sleep "$pause"; done; "$@"; }
    thrice /venv/bin/pip install --quiet --no-cache-dir --require-hashes --requirement .ci/requirements.txt
    /venv/bin/pip install --quiet --no-deps --no-build-isolation --editable .
    exec /venv/bin/python -m pytest "$@"
' sh "$@"
"""
)
"""Run tests with the Python of a Debian release, in a copy of the checkout that is gone at the end."""
