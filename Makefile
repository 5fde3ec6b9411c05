# SPDX-License-Identifier: GPL-2.0-only
#
# percpu: an x86-64 kernel around a per-CPU memory allocator. Everything made lands in build/.
# `make setup run` is the way from a fresh clone to the prompt; `make help` lists the rest.

# ---- Variables -----------------------------------------------------------------------------------

CROSS_COMPILE ?=
CC      := $(CROSS_COMPILE)gcc
LD      := $(CROSS_COMPILE)ld
NM      := $(CROSS_COMPILE)nm
OBJDUMP := $(CROSS_COMPILE)objdump
export STRIP := $(CROSS_COMPILE)strip
export GRUB_MKRESCUE ?= grub-mkrescue
HOSTCC  ?= gcc
PYTHON  := /usr/bin/python3
export GDBTOOL ?= gdb
export CHROMIUM ?= chromium-headless-shell

B   := build
ELF := $(B)/percpu.elf
ISO := $(B)/percpu.iso

# Checks of locks (holder, order, context) and of freed memory are part of the ordinary build.
LOCK_CHECKS ?= 1

# How long interrupts stay off is told by a variant: make IRQOFF=1 B=build/irqoff.
IRQOFF ?= 0

CPPFLAGS := -I. -DCONFIG_LOCK_CHECKS=$(LOCK_CHECKS) -DCONFIG_IRQOFF=$(IRQOFF)
CFLAGS   := -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes \
	-ffreestanding -fno-pie -mcmodel=kernel -mno-red-zone -mgeneral-regs-only \
	-fno-stack-protector -fno-omit-frame-pointer -fcf-protection=none \
	-fno-asynchronous-unwind-tables
# An element of an array in a structure has its index in the access itself; slsr computes its address apart, for one
# instruction more in each hit of the front.
CFLAGS += -fno-tree-slsr
ASFLAGS  := -g -fno-pie
LDFLAGS  := -nostdlib -static -z max-page-size=4096 -z noexecstack --build-id=none
HOSTCFLAGS := -std=gnu11 -O1 -g -Wall -Wextra -Werror -fno-sanitize-recover=all -I.

# Variants, each in a folder of its own: make SANITIZE=1 B=build/ubsan.
SANITIZE ?= 0
ifeq ($(SANITIZE),1) # undefined behaviour is a trap
CFLAGS += -fsanitize=undefined -fsanitize-undefined-trap-on-error
endif

COVERAGE ?= 0
ifeq ($(COVERAGE),1) # each line counts how often it ran
CPPFLAGS += -DCONFIG_COVERAGE=1
CFLAGS += -O0 -fprofile-arcs -ftest-coverage -fprofile-update=atomic \
	-fprofile-info-section=.gcov_info -fprofile-abs-path
LIBGCOV := $(shell $(CC) -print-file-name=libgcov.a)
endif

# What `make run` understands; tools/run.py reads it from the environment.
CPUS ?= 4
SMP  ?= $(CPUS)
export SMP MEM CMDLINE TRACE VIDEO ACCEL UEFI TIMEOUT QEMU QEMUEXTRA BOCHS KERNEL GDB STOPPED DRY PIN GDBFLAGS \
	BOOTS BREAK DEV

# V=1 shows the commands.
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-8s %s\n' '$(1)' '$(2)')

# ---- What the kernel is made of: one file a line ---------------------------------------------------

SRCS_boot := \
	boot/boot.S \
	boot/multiboot2.c

SRCS_arch := \
	arch/x86_64/acpi.c \
	arch/x86_64/acpi_parse.c \
	arch/x86_64/apic.c \
	arch/x86_64/backtrace.c \
	arch/x86_64/context.c \
	arch/x86_64/cpus.c \
	arch/x86_64/descriptors.c \
	arch/x86_64/entry.S \
	arch/x86_64/exit.c \
	arch/x86_64/fault.c \
	arch/x86_64/ioapic.c \
	arch/x86_64/irqoff.c \
	arch/x86_64/keyboard.c \
	arch/x86_64/keymap.c \
	arch/x86_64/paging.c \
	arch/x86_64/paging_init.c \
	arch/x86_64/percpu_early.c \
	arch/x86_64/serial.c \
	arch/x86_64/smp.c \
	arch/x86_64/smp_call.c \
	arch/x86_64/switch.S \
	arch/x86_64/time.c \
	arch/x86_64/tlb.c \
	arch/x86_64/trampoline.S \
	arch/x86_64/traps.c \
	arch/x86_64/vga.c

SRCS_mm := \
	mm/early.c \
	mm/kmalloc.c \
	mm/page.c \
	mm/vm_range.c \
	mm/vmalloc.c

SRCS_kernel := \
	kernel/bench.c \
	kernel/bench_areas.c \
	kernel/bench_bulk.c \
	kernel/bench_burst.c \
	kernel/bench_churn.c \
	kernel/bench_cpus.c \
	kernel/bench_growth.c \
	kernel/bench_irqoff.c \
	kernel/bench_packing.c \
	kernel/bench_replay.c \
	kernel/bench_thiscpu.c \
	kernel/break.c \
	kernel/cmdline.c \
	kernel/complete.c \
	kernel/edit.c \
	kernel/format.c \
	kernel/hints.c \
	kernel/history.c \
	kernel/keys.c \
	kernel/ksyms.c \
	kernel/main.c \
	kernel/map_bar.c \
	kernel/monitor.c \
	kernel/monitor_control.c \
	kernel/monitor_help.c \
	kernel/monitor_input.c \
	kernel/monitor_map.c \
	kernel/monitor_output.c \
	kernel/monitor_panic.c \
	kernel/monitor_percpu.c \
	kernel/monitor_records.c \
	kernel/monitor_system.c \
	kernel/monitor_tab.c \
	kernel/monitor_terminal.c \
	kernel/monitor_watch.c \
	kernel/monitor_watch_frame.c \
	kernel/monitor_words.c \
	kernel/mutex.c \
	kernel/panic.c \
	kernel/printk.c \
	kernel/rbtree.c \
	kernel/record_trace.c \
	kernel/records.c \
	kernel/replay.c \
	kernel/replay_memory.c \
	kernel/sched.c \
	kernel/screen.c \
	kernel/screen_paint.c \
	kernel/similar.c \
	kernel/spinlock.c \
	kernel/string.c \
	kernel/terminal.c \
	kernel/test.c \
	kernel/thread.c \
	kernel/trace.c \
	kernel/trace_load.c \
	kernel/trace_store.c \
	kernel/traces.S \
	kernel/usage.c \
	kernel/wait.c \
	kernel/warn.c \
	kernel/workqueue.c

# The allocator itself, which the host tests and other ports are made of too; and this kernel's port.
SRCS_percpu_core := \
	percpu/alloc.c \
	percpu/areamap.c \
	percpu/bitmap.c \
	percpu/bitmap_tree.c \
	percpu/bulk.c \
	percpu/check.c \
	percpu/chunk.c \
	percpu/engine.c \
	percpu/front.c \
	percpu/front_frames.c \
	percpu/front_stock.c \
	percpu/front_sweep.c \
	percpu/front_zero.c \
	percpu/guard.c \
	percpu/heap.c \
	percpu/inspect.c \
	percpu/populate.c \
	percpu/quarantine.c \
	percpu/reclaim.c \
	percpu/report.c \
	percpu/search.c \
	percpu/setup.c \
	percpu/where.c

SRCS_percpu := $(SRCS_percpu_core) \
	percpu/port_kernel.c \
	percpu/setup_kernel.c

# Self-tests, linked into the kernel.
SRCS_tests := \
	tests/kernel/percpu_util.c \
	tests/kernel/test_arch.c \
	tests/kernel/test_smp.c \
	tests/kernel/test_base.c \
	tests/kernel/test_broken.c \
	tests/kernel/test_broken_faults.c \
	tests/kernel/test_broken_kernel.c \
	tests/kernel/test_broken_percpu.c \
	tests/kernel/test_core.c \
	tests/kernel/test_mm.c \
	tests/kernel/test_monitor.c \
	tests/kernel/test_percpu_api.c \
	tests/kernel/test_percpu_bad.c \
	tests/kernel/test_percpu_faults.c \
	tests/kernel/test_percpu_front.c \
	tests/kernel/test_percpu_reclaim.c \
	tests/kernel/test_percpu_smp.c \
	tests/kernel/test_percpu_steps.c \
	tests/kernel/test_percpu_trapsa.c \
	tests/kernel/percpu_bag.c \
	tests/kernel/test_percpu_guard.c \
	tests/kernel/test_percpu_fail.c \
	tests/kernel/test_percpu_watch.c \
	tests/kernel/test_percpu_trapsb.c \
	tests/kernel/test_records.c \
	tests/kernel/test_replay.c \
	tests/kernel/test_string.c \
	tests/kernel/test_thiscpu.c \
	tests/kernel/test_thiscpu_null.c \
	tests/kernel/test_vmalloc.c

# Tests that run on the host. A file names what it is linked with: "links: FILE or @GROUP…" in comment
# lines of its head, and flags of its own: "flags: …".
GROUP_percpu := $(SRCS_percpu_core) kernel/rbtree.c
GROUP_port_host := \
	tests/host/host_test.c \
	tests/host/port_host.c \
	tests/host/port_host_heap.c \
	tests/host/port_host_locks.c \
	tests/host/port_host_memory.c

# Those of percpu/ come first, what finds most in least time before the rest.
HOST_TESTS_percpu := \
	tests/host/test_look.c \
	tests/host/test_where.c \
	tests/host/test_asserts.c \
	tests/host/test_observe.c \
	tests/host/test_contract.c \
	tests/host/test_bitmap.c \
	tests/host/test_front.c \
	tests/host/test_front_frees.c \
	tests/host/test_front_deep.c \
	tests/host/test_bulk.c \
	tests/host/test_setup.c \
	tests/host/test_pages.c \
	tests/host/test_check.c \
	tests/host/test_guard.c \
	tests/host/test_quarantine.c \
	tests/host/test_report.c \
	tests/host/test_traps.c \
	tests/host/test_port_kernel.c \
	tests/host/test_setup_kernel.c \
	tests/host/test_refusals.c \
	tests/host/test_fail.c \
	tests/host/test_fail_traces.c \
	tests/host/test_threads.c \
	tests/host/test_oracle.c \
	tests/host/test_anywhere.c \
	tests/host/test_universe.c \
	tests/host/test_bitmap_universe.c \
	tests/host/test_interleave.c \
	tests/host/test_search.c

HOST_TESTS := $(HOST_TESTS_percpu) \
	tests/host/test_acpi.c \
	tests/host/test_acpi_off.c \
	tests/host/test_cmdline.c \
	tests/host/test_complete.c \
	tests/host/test_early.c \
	tests/host/test_edit.c \
	tests/host/test_keymap.c \
	tests/host/test_kmalloc.c \
	tests/host/test_map_bar.c \
	tests/host/test_multiboot2.c \
	tests/host/test_page.c \
	tests/host/test_printf.c \
	tests/host/test_rbtree.c \
	tests/host/test_screen.c \
	tests/host/test_trace.c \
	tests/host/test_trace_store.c \
	tests/host/test_vmalloc.c

# Of these, what is built once more to look for data races.
HOST_RACE_TESTS := \
	tests/host/test_threads.c

# And what is built once more for speed, without sanitizers: it tries more than the first build.
HOST_FAST_TESTS := \
	tests/host/test_bitmap_universe.c \
	tests/host/test_universe.c

SRCS_coverage := $(if $(filter 1,$(COVERAGE)),arch/x86_64/coverage.c)

# Fuzz targets: tests/fuzz/fuzz_NAME.c, with the same two lines in its head.
FUZZ_TARGETS := acpi cmdline multiboot2 stream trace

# Exercises: what a learner writes, and with LAB=N what judges it (docs/labs/).
SRCS_lab := $(wildcard kernel/lab.c percpu/lab.c) $(if $(LAB),$(wildcard docs/labs/$(LAB)-*/test.c))

SRCS := $(SRCS_boot) $(SRCS_arch) $(SRCS_mm) $(SRCS_kernel) $(SRCS_percpu) $(SRCS_tests) \
	$(SRCS_lab) $(SRCS_coverage)
C_FILES = $(filter %.c,$(SRCS)) $(HOST_TESTS) $(wildcard tests/fuzz/*.c tests/port_minimal/*.c tools/picture/*.c tools/linux_peer/*.c */*.h */*/*.h \
	tests/port_minimal/*/*.h tools/linux_peer/*/*/*.h tools/linux_peer/*/*/*/*.h)
OBJS := $(SRCS:%=$(B)/obj/%.o) $(B)/font.o

# ---- The kernel -----------------------------------------------------------------------------------

all: $(ELF) $(ISO) $(B)/percpu.sym $(B)/percpu.dis $(B)/compile_commands.json ## kernel, ISO, listings

$(B)/obj/%.c.o: %.c $(B)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/obj/%.S.o: %.S $(B)/flags
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ASFLAGS) -MMD -MP -c -o $@ $<

$(B)/font.c: kernel/font.txt tools/font.py
	$(call say,FONT,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(PYTHON) tools/font.py $< $@

$(B)/font.o: $(B)/font.c $(B)/flags
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(B)/obj/kernel/traces.S.o: $(wildcard tests/traces/*.trace)

$(B)/linker.ld: linker.ld $(B)/flags
	$(Q)$(CC) $(CPPFLAGS) -D__LINKER__ -E -P -x c -MMD -MP -MF $@.d -MT $@ -o $@ $<

ALL_FLAGS = $(CC) $(CPPFLAGS) $(CFLAGS) $(ASFLAGS) $(HOSTCC) $(HOSTCFLAGS)
# Changes when another compiler or other flags are used, and then everything is made anew.
$(B)/flags: FORCE
	@mkdir -p $(B)
	@echo '$(ALL_FLAGS)' | cmp -s - $@ || echo '$(ALL_FLAGS)' > $@

# Two links: the first finds the addresses for the symbol table that the second puts in.
$(ELF): $(OBJS) $(B)/linker.ld tools/ksyms.py Makefile
	$(call say,LD,$@)
	$(Q)$(PYTHON) tools/ksyms.py --empty $(B)/ksyms0.S
	$(Q)$(CC) -c -o $(B)/ksyms0.o $(B)/ksyms0.S
	$(Q)$(LD) $(LDFLAGS) -T $(B)/linker.ld -o $(B)/stage1.elf $(OBJS) $(B)/ksyms0.o $(LIBGCOV)
	$(Q)$(PYTHON) tools/ksyms.py --nm $(NM) $(B)/stage1.elf $(B)/ksyms1.S
	$(Q)$(CC) -c -o $(B)/ksyms1.o $(B)/ksyms1.S
	$(Q)$(LD) $(LDFLAGS) -T $(B)/linker.ld -o $@.new $(OBJS) $(B)/ksyms1.o $(LIBGCOV)
	$(Q)$(PYTHON) tools/ksyms.py --nm $(NM) --check $@.new $(B)/ksyms1.S
	$(Q)$(PYTHON) tools/check_percpu.py --objdump $(OBJDUMP) $@.new >$(B)/percpu.sites
	$(Q)mv $@.new $@

$(ISO): $(ELF) iso/boot/grub/grub.cfg tools/mkiso.py
	$(call say,ISO,$@)
	$(Q)$(PYTHON) tools/mkiso.py $(ELF) $@

$(B)/percpu.sym: $(ELF)
	$(Q)$(NM) -n $< > $@

$(B)/percpu.dis: $(ELF)
	$(call say,DIS,$@)
	$(Q)$(OBJDUMP) -d --no-show-raw-insn $< > $@

$(B)/compile_commands.json: Makefile tools/compile_commands.py $(B)/flags
	$(Q)$(PYTHON) tools/compile_commands.py '$(CC) $(CPPFLAGS) $(CFLAGS)' $(filter %.c,$(SRCS)) > $@

# ---- Running --------------------------------------------------------------------------------------

setup: ## installs the Debian packages that are missing
	@sh tools/setup.sh

DOCTOR = CC='$(CC)' LD='$(LD)' NM='$(NM)' OBJDUMP='$(OBJDUMP)' HOSTCC='$(HOSTCC)' CLANG='$(CLANG)' \
	sh tools/doctor.sh
doctor: ## every tool with its version, its Debian package, and the line that mends what is missing
	@$(DOCTOR)

# Makes targets with a make of its own, on all processors; it shares our jobs if there are any.
NPROC := $(shell nproc)
in_parallel = +$(MAKE) --no-print-directory $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(NPROC)) $(1)

run: ## boots it in QEMU, console on this terminal (variables: README.md)
	@$(call in_parallel,$(ELF))
	@$(PYTHON) tools/run.py

run-bochs: ## boots it in Bochs, a second opinion; options as for run
	@$(call in_parallel,$(ELF))
	@$(PYTHON) tools/run_bochs.py

debug: ## QEMU stopped at the reset vector, gdb attached
	@$(call in_parallel,$(ELF))
	@$(PYTHON) tools/debug.py

gdb: $(ELF) ## attaches gdb to a running `make run GDB=1`
	@$(PYTHON) tools/debug.py --attach

recording: ## types at a run and writes what the screen showed, animated: build/recording.svg
	@$(call in_parallel,$(ELF))
	@$(PYTHON) tools/recording.py

record: ## records a run on one CPU, options as for run
	@$(call in_parallel,$(ELF))
	@$(PYTHON) tools/record.py

rewind: ## gdb on the recording, with steps backwards
	@$(PYTHON) tools/debug.py --rewind

usb: $(ELF) ## writes the ISO to a USB stick and reads it back: make usb DEV=/dev/sdX
	@$(PYTHON) tools/usb.py

bench: ## benchmarks against their goals, counted in instructions; curves in build/bench/ (NAME=churn: one)
	@$(call in_parallel,$(ELF) $(if $(filter-out irqoff,$(NAME)),,irqoff))
	@NAME='$(NAME)' BENCH_SMP='$(if $(filter file,$(origin SMP)),,$(SMP))' $(PYTHON) tools/bench.py

bench-compare: ## the same of this tree and of another revision, side by side: make bench-compare BASE=rev
	@$(call in_parallel,$(ELF))
	@NAME='$(NAME)' BASE='$(BASE)' $(PYTHON) tools/bench.py --compare

bench-linux: ## beside Linux: Debian's kernel runs the same loops in the same QEMU; both columns, ratio, goals
	@$(call in_parallel,$(ELF))
	@$(PYTHON) tools/bench_linux.py

lab: ## judges exercise N=1 of docs/labs/ in this tree: solved, or not yet
	@$(PYTHON) tools/lab.py '$(N)'

PICTURE := $(B)/picture/record $(B)/percpu.sym
picture: ## a page that shows, event by event, what the allocator does with a trace (TRACE=file)
	@$(call in_parallel,picture-tools)
	@$(PYTHON) tools/picture.py

picture-tools: $(PICTURE)
	@:

PARTS := runner kernel model metal gdb docs picture bench build spin host # of the tests, the longest first

# Nothing is begun that lacks a tool, and on a bare machine `make setup run` waits for the set-up.
need-tools: $(filter setup,$(MAKECMDGOALS))
	@$(DOCTOR) $(or $(MAKECMDGOALS),all)
$(B)/flags run run-bochs usb debug gdb recording record rewind bench bench-compare bench-linux picture ubsan irqoff test model fuzz mutants soak coverage format $(PARTS:%=test-%) test-host-deep \
	$(HOST_TESTS:tests/host/%.c=$(B)/coverage/host/%): | need-tools

# ---- Tests ----------------------------------------------------------------------------------------
# Each part is programs that print TAP; tools/testrun.py adds them up.

HOST_PROGRAMS := $(B)/port_minimal/main $(HOST_TESTS_percpu:tests/host/%.c=$(B)/host/%) \
	$(HOST_RACE_TESTS:tests/host/%.c=$(B)/host-race/%) $(FUZZ_TARGETS:%=$(B)/fuzz-replay/%) \
	$(HOST_FAST_TESTS:tests/host/%.c=$(B)/host-fast/%) \
	$(filter-out $(HOST_TESTS_percpu:tests/host/%.c=$(B)/host/%),$(HOST_TESTS:tests/host/%.c=$(B)/host/%))

# What must hold whichever engine serves and whatever a front keeps ready, again with each of the others,
# shorter.
HOST_OTHERS := HOST_FRONT=on HOST_ENGINE=bitmap HOST_ENGINE=bitmap@HOST_FRONT=on
HOST_EITHER := $(addprefix $(B)/host/test_,where look asserts observe contract setup pages check guard \
	quarantine report traps setup_kernel refusals fail interleave anywhere search) $(B)/host-race/test_threads
with_others = $(foreach o,$(HOST_OTHERS),'env $(if $(findstring anywhere,$1),,HOST_OPS=20000) HOST_STRIDE=9 $(subst @, ,$o) $1')
T_host   := $(HOST_PROGRAMS) $(foreach t,$(HOST_EITHER),$(call with_others,$t)) \
	'env HOST_ENGINE=bitmap HOST_FRONT=on $(B)/host/test_fail_traces' \
	'env HOST_ENGINE=bitmap HOST_STRIDE=9 $(B)/host/test_fail_traces' \
	'env HOST_FRONT=on HOST_STRIDE=18 $(B)/host/test_fail_traces'
T_kernel := 'tests/boot/test_boot.py 1/4' 'tests/boot/test_boot.py 2/4' \
	'tests/boot/test_boot.py 3/4' 'tests/boot/test_boot.py 4/4'
T_gdb    := tests/gdb/test_gdb.py tests/gdb/test_record.py
T_docs   := tests/docs/test_verification.py tests/docs/test_commands.py 'tests/docs/test_labs.py [!l]*'
T_labs   := tests/docs/test_labs.py
T_runner := tests/runner/test_doctor.py 'tests/runner/test_runner.py [a-m]*' 'tests/runner/test_runner.py [n-z]*' \
	'tests/runner/test_terminal.py [a-b]*' 'tests/runner/test_terminal.py [c-s]*' \
	'tests/runner/test_terminal.py [t-z]*' tests/runner/test_recording.py tests/boot/test_refusals.py \
	'tests/boot/test_panics.py 1/3' 'tests/boot/test_panics.py 2/3' 'tests/boot/test_panics.py 3/3'
T_build  := tests/compile/test_compile.py tests/compile/test_port.py
T_metal  := tests/metal/test_bochs.py tests/metal/test_screen.py tests/metal/test_usb.py
T_model  := tests/model/test_model.py tests/model/test_bad_input.py
T_bench  := tests/bench/test_bench.py tests/bench/test_bench_linux.py
T_spin   := tests/model_spin/test_spin.py
T_picture := tests/picture/test_picture.py

export KERNEL_CC := $(CC) $(CPPFLAGS) $(CFLAGS)

irqoff: ## the kernel that knows how long interrupts stay off, in build/irqoff/
	$(Q)$(call in_parallel,B=build/irqoff IRQOFF=1 build/irqoff/percpu.elf)

ubsan: ## the kernel with traps on undefined behaviour, in build/ubsan/
	$(Q)$(call in_parallel,B=build/ubsan SANITIZE=1 build/ubsan/percpu.elf)

test: ## everything that checks the project
	@$(call in_parallel,$(ELF) $(B)/compile_commands.json host-programs picture-tools ubsan irqoff)
	@$(PYTHON) tools/testrun.py $(foreach p,$(PARTS),$(T_$(p)))

test-host: ## unit tests on the host, in less than a minute
test-kernel: ## boots over CPUs, first-chunk allocators, sizes; replays
test-gdb: ## gdb attached to the kernel
test-runner: ## how `make run` takes broken kernels
test-docs: ## every command that README.md and docs/ show
test-build: ## per-CPU accesses in the disassembly, misuse that must not compile, the port
test-spin: ## a Spin model of the locking holds, and finds planted errors
test-metal: ## monitor and keyboard, CD and USB stick, BIOS and UEFI, Bochs
test-model: ## the monitor against an independent model of the allocator
test-bench: ## benchmarks are the same on every run; their tables and comparison
test-picture: ## the page of `make picture` in a headless Chromium
test-labs: ## each exercise: its start is refused, its solution accepted; not part of `make test`
$(PARTS:%=test-%) test-labs: test-%:
	@$(call in_parallel,$(NEEDS_$*))
	@$(QUICK_$*) $(PYTHON) tools/testrun.py $(T_$*)

# Alone, the host part is for whoever just changed percpu/: fewer operations and interleavings, and a
# process that uses more CPU time than any should is taken for one that hangs.
QUICK_host := ulimit -S -t 10; HOST_OPS=$${HOST_OPS:-40000} HOST_DEPTH=$${HOST_DEPTH:-4} \
	HOST_STRIDE=$${HOST_STRIDE:-3}
test-host-deep: ## the same at the length that `make test` runs them
	@$(call in_parallel,$(NEEDS_host))
	@$(PYTHON) tools/testrun.py $(T_host)

host-programs: $(HOST_PROGRAMS)
	@:

# What has to be made before a part's programs run.
NEEDS_host   := host-programs
NEEDS_kernel := $(ELF) ubsan
NEEDS_runner := $(ELF) ubsan
NEEDS_gdb    := $(ELF) $(B)/compile_commands.json
NEEDS_docs   := $(ELF)
NEEDS_build  := $(ELF)
NEEDS_metal  := $(ELF)
NEEDS_model  := $(ELF)
NEEDS_bench  := $(ELF) irqoff
NEEDS_spin   := $(ELF)
NEEDS_picture := picture-tools

model: ## the Spin model again, all of it: 3 million states
	@$(PYTHON) tools/testrun.py 'tests/model_spin/test_spin.py --all'

soak: ## longer: 10 million operations on 8 CPUs, 3 million against the model, all sequences of 7, each failure in whole traces
	@$(call in_parallel,$(ELF) host-programs)
	@LIMIT=7200 BOOTS='soak_*' HOST_SEED=$$(date +%s) HOST_OPS=3000000 HOST_CONTENTS=1 \
		HOST_DEPTH=7 HOST_MEMO_DEPTH=4 HOST_REST=99999 \
		$(PYTHON) tools/testrun.py tests/boot/test_boot.py \
		$(filter %_oracle %_anywhere %_fail %_fail_traces %_threads $(B)/host-fast/%,$(HOST_PROGRAMS))

.PHONY: mutants
export HOST_CC := $(HOSTCC) $(HOSTCFLAGS)
mutants: ## plants the defects of tests/mutants/, each of which a test has to catch
	@$(PYTHON) tools/mutants.py $(NAMES)

coverage: ubsan $(HOST_TESTS:tests/host/%.c=$(B)/coverage/host/%) ## which lines ran, on the host and in the kernel
	$(Q)$(call in_parallel,B=build/coverage/kernel COVERAGE=1 build/coverage/kernel/percpu.elf)
	@$(PYTHON) tools/coverage.py

COMMA := ,
# What the lines "links: …" or "flags: …" in a test's head say; the files that the links stand for.
head_line = $(shell sed -n 's,^/\* $(2): \(.*\) \*/$$,\1,p' $(1))
group = $(or $(GROUP_$(1)),$(error there is no group @$(1) of files to link))
links_of = $(foreach name,$(call head_line,$(1),links),$(if $(filter @%,$(name)),$(call \
	group,$(name:@%=%)),$(name)))
link-groups: # for the scripts that read the heads: a line for each group
	@$(foreach name,$(filter GROUP_%,$(.VARIABLES)),echo '$(name:GROUP_%=@%) $($(name))';)

# $(call objects,FOLDER,TEST,MORE): all that a test is linked from. Tests with the same flags share their
# objects, FOLDER/obj/KEY/FILE.o: a KEY is a checksum of flags, and FLAGS_KEY keeps which.
key = $(firstword $(shell echo '$(1)' | cksum))
keep_flags = $(eval FLAGS_$(1) := $(2))$(1)
key_of = $(call keep_flags,$(call key,$(call head_line,$(1),flags)),$(call head_line,$(1),flags))
objects = $(patsubst %,$(1)/obj/$(call key_of,$(2))/%.o,$(2) $(3) $(call links_of,$(2)))
# What an object KEY/FILE is made of, the source first; the traces are in no dependency file.
made_of = $(patsubst $(firstword $(subst /, ,$(1)))/%,%,$(1)) $(B)/flags \
	$(if $(filter %/kernel/traces.S,$(1)),$(wildcard tests/traces/*.trace))

# A folder of programs has its compiler and flags. libFuzzer is clang's.
SANITIZED := $(HOSTCC) $(HOSTCFLAGS) -fsanitize=address,undefined
$(B)/host/% $(B)/port_minimal/% $(B)/fuzz-replay/% $(B)/picture/%: KIND = $(SANITIZED)
$(B)/host-race/%: KIND = $(HOSTCC) $(HOSTCFLAGS) -fsanitize=thread
$(B)/host-fast/%: KIND = $(HOSTCC) $(HOSTCFLAGS) -O2
$(B)/coverage/host/%: KIND = $(HOSTCC) $(HOSTCFLAGS) -O0 --coverage -fprofile-update=atomic
$(B)/coverage/host/%: KIND_LINK = -Wl,-u,__gcov_dump
$(B)/fuzz/%: KIND = $(CLANG) $(HOSTCFLAGS) -fsanitize=fuzzer,address,undefined \
	-Wno-unused-command-line-argument

define compile_for_host
	$(call say,HOSTCC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(KIND) $(filter-out -Wl%,$(FLAGS_$(firstword $(subst /, ,$*)))) -MMD -MP -c -o $@ $<
endef
define link_for_host
	$(call say,HOSTLD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(KIND) $(KIND_LINK) $(call head_line,$<,flags) -o $@ $(filter %.o,$^) -lcmocka -lpthread
endef
.SECONDEXPANSION:
$(B)/host/obj/%.o: $$(call made_of,$$*)
	$(compile_for_host)
$(B)/host-race/obj/%.o: $$(call made_of,$$*)
	$(compile_for_host)
$(B)/host-fast/obj/%.o: $$(call made_of,$$*)
	$(compile_for_host)
$(B)/coverage/host/obj/%.o: $$(call made_of,$$*)
	$(compile_for_host)
$(B)/fuzz/obj/%.o: $$(call made_of,$$*)
	$(compile_for_host)
OBJECT_FOLDERS := $(patsubst %,$(B)/%/obj,host host-race host-fast coverage/host fuzz)
.PRECIOUS: $(OBJECT_FOLDERS:%=%/%.o)

LD_SCRIPT := tests/host/percpu.ld
$(B)/host/%: tests/host/%.c $(LD_SCRIPT) $$(call objects,$(B)/host,tests/host/$$*.c)
	$(link_for_host)
$(B)/host-race/%: tests/host/%.c $(LD_SCRIPT) $$(call objects,$(B)/host-race,tests/host/$$*.c)
	$(link_for_host)
$(B)/host-fast/%: tests/host/%.c $(LD_SCRIPT) $$(call objects,$(B)/host-fast,tests/host/$$*.c)
	$(link_for_host)
$(B)/coverage/host/%: tests/host/%.c $(LD_SCRIPT) $$(call objects,$(B)/coverage/host,tests/host/$$*.c)
	$(link_for_host)
$(B)/port_minimal/%: tests/port_minimal/%.c $$(call objects,$(B)/host,tests/port_minimal/$$*.c)
	$(link_for_host)
$(B)/picture/%: tools/picture/%.c $(LD_SCRIPT) $$(call objects,$(B)/host,tools/picture/$$*.c)
	$(link_for_host)
# The fuzz targets over the inputs kept in the tree, and with libFuzzer.
$(B)/fuzz-replay/%: tests/fuzz/fuzz_%.c $(LD_SCRIPT) \
		$$(call objects,$(B)/host,tests/fuzz/fuzz_$$*.c,tests/fuzz/replay.c)
	$(link_for_host)
$(B)/fuzz/%: tests/fuzz/fuzz_%.c $(LD_SCRIPT) $$(call objects,$(B)/fuzz,tests/fuzz/fuzz_$$*.c)
	$(link_for_host)

CLANG   ?= clang
SECONDS ?= 60
$(FUZZ_TARGETS:%=$(B)/fuzz/%): | need-tools

fuzz: $(FUZZ_TARGETS:%=$(B)/fuzz/%) ## each fuzz target for SECONDS=60, two at a time
	@printf '%s\n' $(FUZZ_TARGETS) | xargs -P 2 -I NAME sh tests/fuzz/run.sh NAME $(SECONDS)

-include $(shell find /dev/null $(wildcard $(OBJECT_FOLDERS)) -name '*.d')

# ---- Housekeeping ---------------------------------------------------------------------------------

clean: ## removes build/
	$(Q)rm -rf $(B)

format: ## lays the C files out by .clang-format
	$(Q)clang-format -i $(C_FILES)

lint: ## layout, cppcheck and Python syntax; says which tools are missing
	@sh tools/lint.sh $(C_FILES)

help: ## this list
	@echo 'Targets:'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 16

FORCE:
.PHONY: lab test-labs link-groups host-programs all setup doctor need-tools run run-bochs usb debug gdb recording record rewind bench bench-compare bench-linux picture picture-tools ubsan irqoff coverage test model fuzz soak $(PARTS:%=test-%) test-host-deep clean format lint help FORCE
.DELETE_ON_ERROR:
-include $(OBJS:.o=.d) $(B)/linker.ld.d
