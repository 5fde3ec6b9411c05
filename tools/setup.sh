#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Installs the Debian packages that building, running and testing need, and only those that are
# missing; tools/tools.txt names them. Nothing missing: says so and touches nothing. Needs root or sudo only when it installs.

packages=$(sh "$(dirname "$0")/doctor.sh" --packages)

say() { echo "setup: $*"; }

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	say "this is not Debian: install what these Debian packages hold, by your own means:"
	say $packages
	exit 1
fi

missing=
for package in $packages; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)
	[ "$status" = installed ] || missing="$missing $package"
done
if [ -z "$missing" ]; then
	say "nothing is missing"
	exit 0
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null; then
		say "these packages are missing:$missing"
		say "installing them needs root, and there is no sudo; this line asks for root's password:"
		echo "    su -c 'apt-get install$missing'"
		exit 1
	fi
	as_root=sudo
fi

say "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get -q -o Acquire::Retries=3 update </dev/null &&
	$as_root apt-get -q -y -o Acquire::Retries=3 install --no-install-recommends $missing </dev/null
status=$?
[ $status -eq 0 ] || say "apt-get failed (see above); missing were:$missing"
exit $status
