#!/usr/bin/env bash
# Runs a command as a user, by number, in an overlay of a system's root folder; what it writes is left in STATE/upper. Called in mount and
# process namespaces of its own, so that mounts and processes end with the command.
# enter.sh USER ROOT STATE TOOLS COMMAND…
set -euo pipefail
user=$1 lower=$2 state=$3 tools=$4
shift 4
root=$state/root

mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$state/upper,workdir=$state/work" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir -m 1777 "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
mount --bind "$tools" "$root/opt/tools"
mount -o remount,bind,ro "$root/opt/tools"
ip link set lo up 2>/dev/null || true
exec chroot --userspec="$user:$user" --groups= "$root" "$@"
