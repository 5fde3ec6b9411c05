#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Looks at the tools of tools/tools.txt:
#
#   doctor.sh              all of them, as a table; status 1 if one is missing that `make setup` installs
#   doctor.sh TARGET...    those that these make targets need: silent if all are there, else status 1
#   doctor.sh --packages   the Debian packages of `make setup`, one a line
#
# Whatever is missing is named with its Debian package, and the last line mends it. Plain sh, because
# it runs where nothing is installed yet. Variables of the Makefile (QEMU=, CC= …) name other tools.

list=$(dirname "$0")/tools.txt
complaints= missing_packages=
missing=0 missing_setup=0

# The rows of the list, without comments, each with one more column: the first of the given targets that
# needs it. Given targets, only the rows that one of them needs.
rows() {
	awk -v wanted="$*" '
		BEGIN { nr_wanted = split(wanted, want, " ") }
		/^#/ || NF == 0 { next }
		$1 == "group" { group["@" $2] = $3; next }
		{
			split("", needs)
			nr = split($6, words, ",")
			for (i = 1; i <= nr; i++) {
				nr_more = split(words[i] in group ? group[words[i]] : words[i], more, ",")
				for (j = 1; j <= nr_more; j++)
					needs[more[j]]
				if (i == 1)
					first = more[1]
			}
			if (nr_wanted == 0)
				print $0, first
			for (i = 1; i <= nr_wanted; i++)
				if (want[i] in needs) {
					print $0, want[i]
					break
				}
		}' "$list"
}

# Sets name: the command, file or header that a row's first column stands for.
resolve() {
	name=$1 variable=
	case $1 in
	*=*)
		variable=${1%%=*}
		eval "name=\${$variable:-}"
		name=${name:-${1#*=}}
		;;
	esac
}

is_there() {
	case $1 in
	"<"*) echo "#include $1" | "${HOSTCC:-gcc}" -E -o /dev/null -x c - 2>/dev/null ;;
	/*) set -- $1 && [ -e "$1" ] ;; # unquoted: * is expanded
	*) command -v "$1" >/dev/null ;;
	esac
}

# Sets version: the first number with a point in what the tool $1 says when asked with $2.
ask_version() {
	version=
	for word in $("$1" "$2" 2>/dev/null </dev/null); do
		case $word in
		*[0-9].[0-9]*)
			version=${word#"${word%%[0-9]*}"}
			version=${version%%[!0-9.]*}
			return
			;;
		esac
	done
}

# Whether version $1 is at least $2; both are numbers with points, missing parts count as 0.
at_least() {
	have=$1. want=$2.
	while [ -n "$want" ]; do
		a=${have%%.*} b=${want%%.*}
		[ "${a:-0}" -gt "$b" ] && return 0
		[ "${a:-0}" -lt "$b" ] && return 1
		have=${have#*.} want=${want#*.}
	done
	return 0
}

# Looks at one row: sets name, version and problem ("" if all is good).
examine() {
	resolve "$1"
	version=- problem=
	if ! is_there "$name"; then
		problem="is not installed"
	elif [ "$2" != - ]; then
		ask_version "$name" "$2"
		if [ -z "$version" ]; then
			problem="does not tell its version ($name $2)" version=-
		elif ! at_least "$version" "$3"; then
			problem="is version $version, want $3 or newer"
		fi
	fi
}

# One line on what is wrong with the row that was examined: $1 who needs it, $2 packages.
complain() {
	other=${variable:+; $variable=… names another one}
	echo "doctor: $1 needs $name, which $problem (Debian: $(echo "$2" | tr , ' ')$other)"
}

mend() {
	[ -n "$missing_packages" ] || return
	line="apt-get install$(printf '%s\n' $missing_packages | sort -u | tr '\n' ' ' | sed 's/^/ /; s/ $//')"
	if [ "$(id -u)" -ne 0 ]; then
		if command -v sudo >/dev/null; then line="sudo $line"; else line="su -c '$line'"; fi
	fi
	echo "doctor: this line mends it:"
	echo "    $line"
}

# Notes what is wrong with the row that was examined: $1 a target that needs it, $2 packages.
note_problem() {
	complaints="$complaints$(complain "make $1" "$2")
"
	missing=$((missing + 1))
	missing_packages="$missing_packages $(echo "$2" | tr , ' ')"
}

check_targets() {
	while read -r tool asked oldest packages when targets target; do
		[ -n "$tool" ] || continue
		examine "$tool" "$asked" "$oldest"
		[ -z "$problem" ] || note_problem "$target" "$packages"
	done <<-END
		$(rows "$@")
	END
	printf %s "$complaints"
	mend
	[ $missing -eq 0 ]
}

check_all() {
	total=0 form='%-8s %-46s %-8s %-7s %s\n'
	printf "$form" state tool version oldest 'Debian package'
	while read -r tool asked oldest packages when targets target; do
		examine "$tool" "$asked" "$oldest"
		total=$((total + 1)) state=ok
		if [ -n "$problem" ]; then
			state=MISSING
			[ "$version" = - ] || state=OLD
			note_problem "$target" "$packages"
			[ "$when" = extra ] || missing_setup=$((missing_setup + 1))
		fi
		case $name in *\**) name=${name##*/} ;; esac # a long path
		printf "$form" $state "$name" "$version" "$oldest" "$packages"
	done <<-END
		$(rows)
	END
	printf %s "$complaints"
	mend
	say_kvm
	echo "doctor: $((total - missing)) of $total tools are there"
	[ $missing_setup -eq 0 ]
}

say_kvm() {
	if [ ! -e /dev/kvm ]; then
		echo "doctor: no /dev/kvm: ACCEL=kvm cannot be used; ACCEL=tcg, the default, needs nothing"
	elif [ ! -r /dev/kvm ] || [ ! -w /dev/kvm ]; then
		echo "doctor: /dev/kvm may not be used by $(id -un): ACCEL=kvm needs the group that owns it"
	else
		echo "doctor: /dev/kvm is there: ACCEL=kvm can be used"
	fi
}

case ${1-} in
--packages) rows | awk '$5 == "setup" { gsub(",", "\n", $4); print $4 }' | sort -u ;;
"") check_all ;;
*) check_targets "$@" >&2 ;;
esac
